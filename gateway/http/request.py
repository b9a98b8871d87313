"""A /v1 request: Django's HttpRequest without META, cookies, files or a body on disk. Cost: a few microseconds.

It reads its body itself, up to the limit and in memory, and then watches for a client disconnect.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, QueryDict
from typing_extensions import override

from budgets.admission.hold_causes import Cause
from budgets.admission.interface import LimitStatus
from gateway.http.request_id import mint
from gateway.overload.body_memory import BodyMemoryLease
from gateway.overload.load_shedder import ConcurrencySlot
from gateway.values.quantities import size
from gateway.values.tasks import spawn
from tenants.caller import Caller

if TYPE_CHECKING:
    from django.urls import ResolverMatch

    from gateway.http.sse_writer import SSEWriter
    from gateway.idempotency.store import IdempotencyClaim
    from metering.meter import Meter
    from metering.read_on import ReadOn
    from providers.resilience.plan import Deadline

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]  # an ASGI application

BLANKS = b" \t"  # what may be around a header's value (RFC 9110, 5.6.3)

KNOWN = "is_known"  # in the state of a request whose key was accepted; its connection is kept open longer
WHOLE = "is_whole"  # in the state of one whose whole body has arrived: it is read without a timer
BODY_RATE = 16 * 1024
_TRACE_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


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


class V1Request(HttpRequest):
    """One request on /v1. `id` is sent to the client as X-Request-ID; `facts` is written to the access log."""

    auth: Any  # the Caller; ninja sets it

    # Rarely set, so on the class: with more than 30 instance attributes (SHARED_KEYS_MAX_SIZE of CPython) each request
    # would get a dictionary, which is slower to create and to read.
    resolver_match: ResolverMatch | None = None
    refused_caller: Caller | None = None  # of a known key that is no longer valid
    refused_prefix = ""  # of any other key, as far as it may be logged
    enlarged_by: tuple[Cause, ...] = ()  # what raised the cost of a call that a budget refused
    passed_over: tuple[
        Any, ...
    ] = ()  # deployments that routing skipped for a refused call, and why (catalog.routing.route.Skipped)
    _watcher: asyncio.Task[None] | None = None
    _gone_for_good: asyncio.TimerHandle | None = None

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # HttpRequest.__init__ builds QueryDicts and dictionaries that are not used here, so it is not called.
        self.scope = scope
        self.method = scope["method"]
        self.path = self.path_info = scope["path"]
        self.id = mint()
        self.received_at = time.perf_counter()
        self.facts: dict[str, Any] = {}
        self.caller: Caller | None = None
        self.standing: LimitStatus | None = None
        self.extra_headers: list[tuple[bytes, bytes]] = []
        self.client_left = False
        self.raw = b""
        # Lower-case names to values; of repeated headers the first one is used.
        self.raw_headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        self.send = send
        self.pulse: SSEWriter | None = None  # of a stream; set before its upstream is called
        self._receive = receive
        self._watch_connection: Callable[[Callable[[], None] | None], None] | None = None
        self.slot: ConcurrencySlot | None = None  # one of this process's slots
        self.portion: BodyMemoryLease | None = None  # of this process's memory for bodies
        self.claim: IdempotencyClaim | None = None  # of an Idempotency-Key, until the call has been made
        self.read_on: ReadOn | None = None  # set when the call is started
        self.waited_s = 0.0  # for providers: all attempts and the pauses between them
        self.meter: Meter | None = None  # set once the call is granted
        self.deadline: Deadline | None = None  # set once it is read (gateway/inference/route_planning.py)

    def header(self, name: bytes) -> str:
        """Return a header's value as text ("" when absent), without trailing blanks, which the parser keeps."""
        value = self.raw_headers.get(name)
        return "" if value is None else value.rstrip(BLANKS).decode("latin-1")

    def values(self, name: bytes) -> list[str]:
        """Return the values of a header that may be repeated."""
        return [
            value.rstrip(BLANKS).decode("latin-1") for each, value in self.scope["headers"] if each == name
        ]

    @property
    def trace_parent(self) -> str:
        """The client's traceparent (W3C Trace Context), "" if absent or malformed."""
        value = self.header(b"traceparent")
        return value if value and _TRACE_PARENT.fullmatch(value) else ""

    @property
    def client_ip(self) -> str:
        client = self.scope.get("client")
        return client[0] if client else ""

    @cached_property
    @override
    def GET(self) -> QueryDict:  # type: ignore[override]  # computed only on access
        return QueryDict(self.scope.get("query_string", b"").decode("latin-1"))

    @cached_property
    @override
    def META(self) -> dict[str, Any]:  # type: ignore[override]  # computed only on access
        meta = {"REQUEST_METHOD": self.method, "PATH_INFO": self.path, "REMOTE_ADDR": self.client_ip}
        for name, value in self.raw_headers.items():
            meta["HTTP_" + name.decode("latin-1").upper().replace("-", "_")] = value.decode("latin-1")
        return meta

    @property
    @override
    def body(self) -> bytes:
        return self.raw

    async def read_body(self, limit: int, portion: BodyMemoryLease, patience_s: float = 30.0) -> bytes:
        """Read the body, then start watching for a client disconnect, which cancels the running task.

        Raises BodyTooLarge, BodyTooSlow, ClientGone, Overloaded.
        """
        self.portion = portion
        declared = self.raw_headers.get(b"content-length", b"")
        if declared.isdigit():
            if int(declared) > limit:
                raise BodyTooLarge(limit)
            portion.grow_to(int(declared))
        if self.scope.get("state", {}).get(WHOLE, False):
            raw = await self._read_all(limit, portion, None)
        else:
            try:
                async with asyncio.timeout(patience_s) as patience:
                    raw = await self._read_all(limit, portion, patience, patience_s)
            except TimeoutError:
                raise BodyTooSlow from None
        self.raw = raw
        self._watch()
        return raw

    async def _read_all(
        self, limit: int, portion: BodyMemoryLease, patience: asyncio.Timeout | None, patience_s: float = 0.0
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
            portion.grow_to(size)
            if not message.get("more_body", False) and size == len(part):
                return part
            whole = whole or io.BytesIO()
            whole.write(part)
            if not message.get("more_body", False):
                return whole.getvalue()
            if patience is not None:
                patience.reschedule(began + patience_s + size / BODY_RATE)

    def _watch(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in a task
        self._watch_connection = self.scope.get("state", {}).get("watch")
        if self._watch_connection is not None:
            self._watch_connection(partial(self._leave, task))
        else:  # a server other than ours
            self._watcher = spawn(self._wait_until_gone(task))

    async def _wait_until_gone(self, task: asyncio.Task[Any]) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                break
        self._leave(task)

    def _leave(self, task: asyncio.Task[Any]) -> None:
        self.client_left = True
        seconds = self.read_on.begin() if self.read_on is not None else 0.0
        if seconds:
            self._gone_for_good = asyncio.get_running_loop().call_later(seconds, task.cancel)
        elif self._gone_for_good is None:
            task.cancel()

    def recognize(self) -> None:
        """Mark the connection: a key was accepted on it."""
        state = self.scope.get("state")
        if state is not None:  # servers other than ours may have none
            state[KNOWN] = True

    def stop_watching(self) -> None:
        """Stop the watchers of this call, and drop references back to it, so that no reference cycle remains."""
        if self.pulse is not None:
            self.pulse.stop()
            self.pulse = None
        if self._watch_connection is not None:
            self._watch_connection(None)
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        if self.read_on is not None:
            self.read_on.end()
            self.read_on = None
        if self._gone_for_good is not None:
            self._gone_for_good.cancel()
