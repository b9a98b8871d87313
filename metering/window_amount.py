"""What is counted of a window of money, and what of it is not known to be spent. Nano-USD."""

from __future__ import annotations

from typing import NamedTuple, Self


class Amount(NamedTuple):
    """Money that counts, and how much of it is not known to be spent. Differences may be negative."""

    counted: int = 0
    unsettled: int = 0

    def plus(self, other: Self) -> Amount:
        return Amount(self.counted + other.counted, self.unsettled + other.unsettled)


NOTHING = Amount()
