"""The provider's own books: every call that it got, what it would charge, and when the client disconnected.

One JSON line on arrival and one at the end, each a single write to a file opened for appending.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from tests.support.provider.answers import Bill

WAIT_S = 10.0
MAX_BODY_SHOWN = 65_536
_OF_BOOKS = frozenset(
    {"id", "number", "model", "bill", "kind", "usage", "most_output", "outcome", "ended_at", "closed_early"}
)


class Seen(msgspec.Struct, kw_only=True):
    """One call. `at` and `ended_at` are monotonic seconds, comparable over all processes of the machine."""

    id: str
    number: int
    model: str
    path: str
    query: str = ""
    at: float
    connection: int
    headers: list[str]
    authorization_sha256: str
    api_key_sha256: str
    body_sha256: str
    body: str
    bill: Bill = msgspec.field(default_factory=Bill)
    kind: str = ""  # and the usage: of its behavior
    usage: str = ""
    most_output: int | None = None  # tokens that it was asked not to exceed, all choices together
    chunks: int = 0  # content chunks written
    bytes_sent: int = 0
    head_sent: bool = False
    ended_at: float | None = None
    closed_early: bool = False  # the client went away before the answer was complete
    outcome: str = ""


def digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest() if value else ""


class Truth:
    """All calls so far; wakes tasks that wait for a call to reach a state."""

    def __init__(self, path: Path | None) -> None:
        self.calls: list[Seen] = []
        self._changed = asyncio.Condition()
        self._wakers: set[asyncio.Task[None]] = set()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(path, flags, 0o600) if path is not None else None

    def arrived(self, seen: Seen) -> None:
        self.calls.append(seen)
        self._write({"event": "arrived", **_facts(seen)})
        self.changed()

    def ended(self, seen: Seen, outcome: str, *, closed_early: bool) -> None:
        """Write the bill; a call ends once."""
        if seen.ended_at is not None:
            return
        seen.ended_at, seen.outcome, seen.closed_early = time.monotonic(), outcome, closed_early
        self._write({"event": "ended", **_facts(seen)})
        self.changed()

    def changed(self) -> None:
        """Wake the waiters."""
        if not self._wakers:
            waker = asyncio.get_running_loop().create_task(self._wake())
            self._wakers.add(waker)
            waker.add_done_callback(self._wakers.discard)

    async def until(self, holds: Callable[[], bool], seconds: float = WAIT_S) -> bool:
        """Return True once it holds, False when it did not within the time."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(holds)
        except TimeoutError:
            return holds()
        return True

    def matching(self, *, id: str = "", model: str = "") -> list[Seen]:  # noqa: A002 - the query's own name
        return [
            call for call in self.calls if (not id or call.id == id) and (not model or call.model == model)
        ]

    def books(self, prefix: str) -> list[dict[str, Any]]:
        """Return what the calls of some models cost so far, without their requests."""
        mine = [call for call in self.calls if call.model.startswith(prefix)]
        return [{name: value for name, value in _facts(call).items() if name in _OF_BOOKS} for call in mine]

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _write(self, facts: dict[str, Any]) -> None:
        if self._file is not None:
            os.write(self._file, msgspec.json.encode(facts) + b"\n")


def reached(calls: Iterable[Seen], event: str, count: int) -> bool:
    """Say whether `count` calls got to the event; for `chunk`, whether one call has sent so many."""
    if event == "chunk":
        return any(call.chunks >= count for call in calls)
    tests: dict[str, Callable[[Seen], bool]] = {
        "arrived": lambda _: True,
        "head": lambda call: call.head_sent,
        "closed": lambda call: call.closed_early,
        "ended": lambda call: call.ended_at is not None,
    }
    return sum(1 for call in calls if tests[event](call)) >= count


def _facts(seen: Seen) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(seen)
    del facts["body"]
    return facts
