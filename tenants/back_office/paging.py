"""Pages of long lists: rows are counted up to a bound, and the page shows when it is exceeded."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property
from typing_extensions import override

MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for the checker only
    """Counts at most MOST_COUNTED rows: a table of millions must open as fast as one of ten."""

    object_list: Any

    @cached_property
    def _counted(self) -> int:
        return int(self.object_list.order_by().values("pk")[: MOST_COUNTED + 1].count())

    @cached_property
    @override
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def count_in_words(self) -> str:
        """Return "1,234", or "more than 10,000"."""
        return f"more than {MOST_COUNTED:,}" if self._counted > MOST_COUNTED else f"{self._counted:,}"
