"""Whether the database responds at present, measured on a query that runs each second. Reading it costs one check."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

LATE_S = 1.5


class DatabaseMonitor:
    """It is late when its last query failed or took longer than LATE_S, or when the next one already does."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._query_began: float | None = None
        self._was_late = False

    @property
    def is_late(self) -> bool:
        return self._was_late or (
            self._query_began is not None and self._clock() - self._query_began > LATE_S
        )

    @contextlib.contextmanager
    def query(self) -> Iterator[None]:
        """Time the query inside; one at a time."""
        self._query_began = began = self._clock()
        has_failed = True
        try:
            yield
            has_failed = False
        finally:
            self._query_began = None
            self._was_late = has_failed or self._clock() - began > LATE_S
