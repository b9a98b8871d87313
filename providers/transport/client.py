"""The only outbound client: sends one request to a provider and returns its response as it arrives.

Cost: 30 us of CPU a call over a kept connection, no thread, no task. Every wait has a timeout. A caller that is
cancelled, or leaves a response half read, closes its connection at once; such a connection is never reused.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, Self

import msgspec

from gateway.values.tasks import spawn
from providers.errors.exceptions import ConnectFailed, UpstreamBroken, UpstreamFailed, UpstreamTimeout
from providers.target import Timeouts
from providers.transport.connect import connected
from providers.transport.connection import ONE_WRITE, Connection
from providers.transport.pool import Pool
from providers.transport.request_head import Origin, head_of, request_target

CONNECTIONS_PER_HOST: Final = 4096
KEEP_ALIVE_S: Final = 30.0
DRAIN_S: Final = 0.25  # to keep a connection, the unneeded rest of a response must arrive within this
TICK_S: Final = 0.001  # event loops have timers of milliseconds
STALE_S: Final = 1.0  # a kept connection that breaks later than this was not stale


class UpstreamRequest(msgspec.Struct):
    """`was_sent` is set by the transport: from then on the provider may have received it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    is_guarded: bool = False
    was_sent: bool = False


class Transport:
    """One connection pool, shared by all calls of a process."""

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        egress_allow: Sequence[str] = (),
        connections_per_host: int = CONNECTIONS_PER_HOST,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._ca_file, self._per_host, self._keep_alive_s = ca_file, connections_per_host, keep_alive_s
        self._egress_allow = tuple(egress_allow)
        self._pool: Pool | None = None
        self._draining: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Create the pool. `ca_file` is trusted besides the system's CAs; verification cannot be turned off.

        Guarded requests reach only the public internet and the networks in `egress_allow`, as resolved when connecting.
        """
        trust = ssl.create_default_context()
        if self._ca_file:
            trust.load_verify_locations(cafile=self._ca_file)
        self._pool = Pool(trust, self._per_host, self._keep_alive_s, self._egress_allow)

    async def aclose(self) -> None:
        """Close every connection; running calls fail."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        await asyncio.gather(*self._draining)

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Return the response once its head is there, whatever its status. Raises UpstreamFailed. The caller closes it.

        A request lost on a kept connection is sent again only if the kernel shows that it cannot have been read;
        otherwise it fails like any other, and `is_stale` allows the AttemptPlanner one more attempt.
        """
        pool = self._pool
        if pool is None:
            raise ConnectFailed("the transport is not open")
        target = request_target(request.url, is_guarded=request.is_guarded)
        head = head_of(request.method, target, request.headers, len(request.body))
        started = asyncio.get_running_loop().time()
        connection = await pool.acquire_idle(target.origin)
        if connection is not None:
            response = UpstreamResponse(self, target.origin, connection, timeouts, started, started)
            request.was_sent = True
            try:
                await response.start(head, request.body)
            except UpstreamBroken as failure:
                pool.invalidate(target.origin, connection)
                if not await connection.tcp_state.is_unread():
                    is_early = asyncio.get_running_loop().time() - started <= STALE_S
                    failure.is_stale = is_early and not connection.has_received
                    raise
                request.was_sent = False
            else:
                return response
            finally:
                connection.tcp_state.dismiss()
        connection = await connected(pool, target.origin, timeouts, started)
        sent_at = asyncio.get_running_loop().time()
        response = UpstreamResponse(self, target.origin, connection, timeouts, started, sent_at)
        request.was_sent = True
        await response.start(head, request.body)
        return response

    def release(self, origin: Origin, connection: Connection) -> None:
        """Take back the connection of a response."""
        if self._pool is None:
            connection.abort()
        else:
            self._pool.release(origin, connection)

    def drain(self, origin: Origin, connection: Connection) -> None:
        """Take a connection back as soon as the unneeded rest of its response has arrived."""
        task = spawn(self._drain(origin, connection))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _drain(self, origin: Origin, connection: Connection) -> None:
        try:
            with suppress(TimeoutError, UpstreamFailed):
                async with asyncio.timeout(DRAIN_S):
                    while await connection.read_chunk():
                        pass
        finally:
            self.release(origin, connection)


class UpstreamResponse:
    """A response whose body is still arriving. `headers` has lower-case names."""

    __slots__ = (
        "_connection",
        "_first_by",
        "_has_content",
        "_is_abandoned",
        "_is_released",
        "_loop",
        "_origin",
        "_timeouts",
        "_timer",
        "_total_at",
        "_transport",
        "_waiting_since",
        "headers",
        "status",
    )

    def __init__(
        self,
        transport: Transport,
        origin: Origin,
        connection: Connection,
        timeouts: Timeouts,
        started: float,
        sent_at: float,
    ) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._transport, self._origin, self._connection = transport, origin, connection
        self._timeouts = timeouts
        self._first_by, self._total_at = sent_at + timeouts.first_byte, started + timeouts.total
        self._is_released = self._has_content = self._is_abandoned = False
        self._loop = asyncio.get_running_loop()
        self._waiting_since = sent_at
        self._timer = self._loop.call_at(min(self._first_by, self._total_at), self._check_timeouts)

    async def start(self, head: bytes, body: bytes) -> None:
        """Send the request and wait for the response's head. Raises UpstreamFailed."""
        connection = self._connection
        try:
            connection.send_head(head, body)
            if len(body) > ONE_WRITE:
                await connection.send_body(body)
            await connection.read_head()
        except BaseException:  # a failure, or cancelled
            self._finish()
            raise
        self.status, self.headers = connection.status, connection.headers
        self._waiting_since = 0.0  # until the reader waits for more

    async def read(self, max_bytes: int, *, truncate: bool = False, object_only: bool = False) -> bytes:
        """Return the whole body; beyond `max_bytes` it is cut or raises UpstreamBroken. Raises UpstreamFailed.

        `object_only`: if it does not begin as a JSON object, only the first bytes are read; `chunks` has the rest.
        """
        whole: io.BytesIO | None = None  # returns its value without a copy: the body is in memory once
        first = block = await self._next()
        if object_only and first[:1] != b"{":
            return first
        self._has_content, size = True, len(first)
        while block and size <= max_bytes:
            if block := await self._next():
                size += len(block)
                whole = whole or io.BytesIO()
                whole.write(block if whole.tell() else first + block)
        answer = first if whole is None else whole.getvalue()
        if size > max_bytes:
            self._finish()
            if not truncate:
                raise UpstreamBroken(f"an answer larger than {max_bytes} bytes")
        return answer[:max_bytes]

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it arrives. Raises UpstreamFailed. A caller that stops early must call aclose."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if block := await self._next():
            return block
        raise StopAsyncIteration

    def note_content(self) -> None:
        """Note that content has arrived: until then the timeout is `first_byte`, from then on `idle`."""
        self._has_content = True

    async def aclose(self) -> None:
        """Close the connection unless the body is complete. May be called at any time, more than once."""
        self._finish()

    def abandon(self) -> None:
        """Give up the unread rest of the body; the connection is kept if the end arrives at once."""
        self._is_abandoned = True
        self._finish()

    async def _next(self) -> bytes:
        """Return the bytes that have arrived, waiting if there are none; b"" is the end."""
        connection = self._connection
        if self._is_released:
            raise UpstreamBroken("the response was already closed")
        try:
            if not connection.has_chunk:
                self._wait_from(self._loop.time())
            block = await connection.read_chunk()
        except BaseException:  # a failure, or cancelled
            self._finish()
            raise
        self._waiting_since = 0.0
        if not block:
            self._finish()
        return block

    def _wait_from(self, now: float) -> None:
        self._waiting_since = now
        limit = self._limit_at(now)
        if limit < self._timer.when() - TICK_S:  # the idle timeout may end before the first-byte timeout
            self._timer.cancel()
            self._timer = self._loop.call_at(limit, self._check_timeouts)

    def _limit_at(self, now: float) -> float:
        """Return when to check the timeouts again; the provider is late only while a reader waits."""
        if self._has_content:
            limit = (self._waiting_since or now) + self._timeouts.idle
        else:
            limit = self._first_by if self._waiting_since else max(self._first_by, now + self._timeouts.idle)
        return min(limit, self._total_at)

    def _check_timeouts(self) -> None:
        now = self._loop.time()
        if now >= self._total_at:
            self._connection.fail(UpstreamTimeout("total", self._timeouts.total))
        elif self._waiting_since and now >= self._limit_at(now) and not self._connection.has_chunk:
            limits = self._timeouts
            silence = UpstreamTimeout("idle", limits.idle)
            self._connection.fail(
                silence if self._has_content else UpstreamTimeout("first_byte", limits.first_byte)
            )
        else:
            self._timer = self._loop.call_at(max(self._limit_at(now), now + TICK_S), self._check_timeouts)

    def _finish(self) -> None:
        """Release the connection, once: it is kept if the response is complete, else closed."""
        if self._is_released:
            return
        self._is_released = True
        self._timer.cancel()
        connection = self._connection
        if self._is_abandoned and not connection.is_over and connection.failure is None:
            self._transport.drain(self._origin, connection)
        else:
            self._transport.release(self._origin, connection)
