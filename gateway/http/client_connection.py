"""The connection of one /v1 request: its body, the responses to it, and whether its client is still there."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from gateway.http.request import Receive, Scope, Send
from gateway.overload.body_memory import BodyMemoryLease
from gateway.values.quantities import size
from gateway.values.tasks import spawn

if TYPE_CHECKING:
    from metering.read_on import ReadOn

KNOWN: Final = (
    "is_known"  # in the state of a request whose key was accepted; its connection is kept open longer
)
WHOLE: Final = "is_whole"  # in the state of one whose whole body has arrived: it is read without a timer
BODY_RATE: Final = 16 * 1024  # bytes a second, the least that a body must arrive with


class BodyTooLarge(Exception):
    """The body is larger than `limit` bytes; nothing beyond the limit was kept."""

    def __init__(self, limit: int, words: str = "") -> None:
        self.limit = limit
        super().__init__(
            words or f"The body of your request is larger than {size(limit)}, the most this gateway takes."
        )


class BodyTooSlow(Exception):
    """The body did not arrive in time: some seconds for its start, then at least BODY_RATE bytes a second."""


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class ClientConnection:
    """`read_on`, once a call runs, decides whether it continues for a while after its client disconnected."""

    __slots__ = (
        "_cancelling",
        "_receive",
        "_scope",
        "_unwatch",
        "_watcher",
        "is_disconnected",
        "read_on",
        "send",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self.send = scope, receive, send
        self.is_disconnected = False
        self.read_on: ReadOn | None = None
        self._unwatch: Callable[[Callable[[], None] | None], None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._cancelling: asyncio.TimerHandle | None = None

    async def read_body(
        self, limit: int, lease: BodyMemoryLease, declared: bytes = b"", patience_s: float = 30.0
    ) -> bytes:
        """Read the body, then watch for a client disconnect, which cancels the running task.

        `declared` is its Content-Length as sent. Raises BodyTooLarge, BodyTooSlow, ClientGone, Overloaded.
        """
        if declared.isdigit():
            if int(declared) > limit:
                raise BodyTooLarge(limit)
            lease.grow_to(int(declared))
        if self._scope.get("state", {}).get(WHOLE, False):
            raw = await self._read_all(limit, lease, None)
        else:
            try:
                async with asyncio.timeout(patience_s) as patience:
                    raw = await self._read_all(limit, lease, patience, patience_s)
            except TimeoutError:
                raise BodyTooSlow from None
        self._watch()
        return raw

    def keep_open(self) -> None:
        """Mark the connection: a key was accepted on it."""
        state = self._scope.get("state")
        if state is not None:  # servers other than ours may have none
            state[KNOWN] = True

    @property
    def abort(self) -> Callable[[], object]:
        """What cuts the client off: the server's function; of another server, the cancel of the running task."""
        abort: Callable[[], object] = self._scope.get("state", {}).get("abort", _running_task().cancel)
        return abort

    def release(self) -> None:
        """Stop watching, and drop references to the call, so that no reference cycle remains."""
        if self._unwatch is not None:
            self._unwatch(None)
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        if self.read_on is not None:
            self.read_on.end()
            self.read_on = None
        if self._cancelling is not None:
            self._cancelling.cancel()

    async def _read_all(
        self, limit: int, lease: BodyMemoryLease, patience: asyncio.Timeout | None, patience_s: float = 0.0
    ) -> bytes:
        whole: io.BytesIO | None = None  # returns its content without a copy: it is in memory once
        size, began = 0, 0.0 if patience is None else asyncio.get_running_loop().time()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise BodyTooLarge(limit)
            lease.grow_to(size)
            if not message.get("more_body", False) and size == len(part):
                return part
            whole = whole or io.BytesIO()
            whole.write(part)
            if not message.get("more_body", False):
                return whole.getvalue()
            if patience is not None:
                patience.reschedule(began + patience_s + size / BODY_RATE)

    def _watch(self) -> None:
        task = _running_task()
        self._unwatch = self._scope.get("state", {}).get("watch")
        if self._unwatch is not None:
            self._unwatch(partial(self._leave, task))
        else:  # a server other than ours
            self._watcher = spawn(self._wait_until_gone(task))

    async def _wait_until_gone(self, task: asyncio.Task[Any]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave(task)

    def _leave(self, task: asyncio.Task[Any]) -> None:
        self.is_disconnected = True
        seconds = self.read_on.begin() if self.read_on is not None else 0.0
        if seconds:
            self._cancelling = asyncio.get_running_loop().call_later(seconds, task.cancel)
        elif self._cancelling is None:
            task.cancel()


def _running_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a handler always runs in a task
    return task
