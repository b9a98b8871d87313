"""The money of every window, in memory: the ledger's total, and what calls have reserved on top.

A window is loaded from the ledger the first time it is needed: one load at a time for each, shared by all waiters.
Totals are absolute and versioned, so an older one never replaces a newer one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from budgets.admission.budget_windows import Window, window
from budgets.admission.interface import AdmissionUnavailable, Return, WindowKey, WindowTotal
from gateway.values.single_flight import SingleFlight

KEEP_ENDED_S = 24 * 3600.0

Load = Callable[[Sequence[WindowKey]], Awaitable[Sequence[WindowTotal]]]


class WindowState:
    """One window of one scope. `held`: of running calls; `settled`: of ended calls the ledger has not posted.

    Both are running sums over `rows` calls, which keep their amounts themselves. `unsettled` is the part of `spent`,
    and `waiting` the part of `settled`, that is not known to be spent. It counts from `since` until `end`.
    """

    __slots__ = (
        "end",
        "first",
        "held",
        "is_known",
        "key",
        "returns",
        "rows",
        "settled",
        "since",
        "spent",
        "start",
        "unsettled",
        "version",
        "waiting",
    )

    def __init__(self, key: WindowKey, span: Window) -> None:
        self.key, self.start, self.end = key, key.start, span.end
        self.since, self.returns = span.since, span.returns
        self.first: Return | None = None  # of a rolling window: what comes back before `returns`
        self.spent = self.held = self.settled = self.rows = 0
        self.unsettled = self.waiting = 0
        self.version = -1
        self.is_known = False

    def post(self, post: WindowTotal) -> None:
        if post.version > self.version:
            self._install(post)
        if post.returns is not None:
            self.first = Return.newer(self.first, post.returns)

    def load(self, post: WindowTotal) -> None:
        self._install(post)
        self.first = post.returns

    def _install(self, post: WindowTotal) -> None:
        self.spent, self.version = post.spent_nanousd, post.version
        self.unsettled = post.unsettled_nanousd
        self.is_known = True


class WindowCache:
    """All windows. Used from the event loop's thread only."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._states: dict[WindowKey, WindowState] = {}
        self._loading: SingleFlight[WindowKey, None] = SingleFlight()
        self._generation = 0  # of the totals: a load that began in an earlier one is discarded

    def __iter__(self) -> Iterator[WindowState]:
        return iter(self._states.values())

    def __len__(self) -> int:
        return len(self._states)

    def find(self, scope: str, schedule: str, timezone: str, now: float) -> WindowState:
        """Return the window that counts now."""
        span = window(schedule, timezone, now)
        key = WindowKey(scope, schedule, timezone, span.start)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = WindowState(key, span)
        return state

    async def load(self, states: Sequence[WindowState]) -> None:
        """Return when all of these are loaded from the ledger. Raises AdmissionUnavailable."""
        try:
            await self._loading.run_all([state.key for state in states], self._load_all)
        except Exception as failure:
            raise AdmissionUnavailable from failure  # any error of the ledger's driver means "unknown"

    def post(self, posts: Iterable[WindowTotal]) -> None:
        """Apply newer totals; windows that are not in use here are ignored."""
        for post in posts:
            state = self._states.get(post.window)
            if state is not None:
                state.post(post)

    def invalidate(self) -> None:
        """Make every total unknown, and discard the results of loads in progress."""
        self._loading.forget()
        self._generation += 1
        for state in self._states.values():
            state.is_known = False

    def evict(self, now: float) -> set[WindowKey]:
        """Drop windows that ended a day ago and have no call left; return their keys."""
        old = now - KEEP_ENDED_S
        dropped = {key for key, state in self._states.items() if not state.rows and state.end < old}
        for key in dropped:
            del self._states[key]
        return dropped

    async def _load_all(self, keys: Sequence[WindowKey]) -> None:
        generation = self._generation
        posts = {post.window: post for post in await self._load(keys)}
        if generation == self._generation:
            for key in keys:
                self._install(key, posts[key])

    def _install(self, key: WindowKey, post: WindowTotal) -> None:
        """Install a loaded total; a post that overtook the load is newer and stays."""
        state = self._states.get(key)
        if state is None:
            return
        if state.is_known:
            state.post(post)
        else:
            state.load(post)
