"""Makes every fallback visible: a metric for each time, and a log line for the first of its kind in a minute.

A plausible result in place of a failed one hides a broken branch for ever; each fallback reports itself here.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType

logger = logging.getLogger(__name__)

QUIET_S = 60.0


class Fallbacks:
    """How often each place took its fallback. `happened` is read when metrics are scraped."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.happened: Counter[str] = Counter()
        self._clock = clock
        self._logged_at: dict[str, float] = {}

    def note(self, where: str, why: object) -> None:
        """Count it; log it unless this place was logged within the last minute."""
        self.happened[where] += 1
        now = self._clock()
        logged_at = self._logged_at.get(where)
        if logged_at is None or now - logged_at >= QUIET_S:
            self._logged_at[where] = now
            error = str(why)[:200] or type(why).__name__
            logger.error("fallback.taken", extra={"where": where, "error": error})

    def noted(self, where: str, *kinds: type[Exception]) -> Noted:
        """Continue after the block when one of these is raised in it, and note that."""
        return Noted(self, where, kinds)


class Noted:
    """The return value of `Fallbacks.noted`."""

    __slots__ = ("_fallbacks", "_kinds", "_where")

    def __init__(self, fallbacks: Fallbacks, where: str, kinds: tuple[type[Exception], ...]) -> None:
        self._fallbacks, self._where, self._kinds = fallbacks, where, kinds

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        is_one = isinstance(error, self._kinds)
        if is_one:
            self._fallbacks.note(self._where, error)
        return is_one


FALLBACKS = Fallbacks()
