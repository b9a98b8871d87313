"""The amount counted in a spend window, and the part not known to be spent. Nano-USD."""

from __future__ import annotations

from typing import NamedTuple, Self


class Amount(NamedTuple):
    """Money that counts, and the part of it that is not known to be spent. Differences may be negative."""

    counted: int = 0
    unsettled: int = 0

    def plus(self, other: Self) -> Amount:
        return Amount(self.counted + other.counted, self.unsettled + other.unsettled)


NOTHING = Amount()
