"""The only way out: sends one request to a provider and hands back its answer as it comes. Only it knows aiohttp.

Cost: 0.1 ms of CPU a call over a kept connection, no thread. Every wait has an end; whoever is canceled, or leaves an
answer half read, closes its connection at once, and such a connection is never used again.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, Self

import aiohttp
import msgspec
from typing_extensions import override

from providers.failures import ConnectFailed, Phase, UpstreamBroken, UpstreamFailed, UpstreamTimeout
from providers.sending import Sending
from providers.target import Timeouts

CONNECTIONS_PER_HOST: Final = 4096
KEEP_ALIVE_S: Final = 30.0
LEAVE_S: Final = 0.25  # to keep a connection, the rest of an answer nobody needs must come within this
_ONE_WRITE: Final = 1024 * 1024  # larger bodies go out in pieces, so that nobody else waits for them

# Foreign exceptions, the most specific first; used around the call and around the body, which fails later.
_TRANSLATIONS: Final[tuple[tuple[type[BaseException], Callable[[str], UpstreamFailed]], ...]] = (
    (aiohttp.ClientConnectorError, ConnectFailed),  # refused, unknown host, TLS not trusted
    (aiohttp.ClientError, UpstreamBroken),
    (OSError, UpstreamBroken),
    (EOFError, UpstreamBroken),
    (RuntimeError, UpstreamBroken),  # the pool was closed meanwhile
    (ValueError, ConnectFailed),  # a header that cannot be sent
)
_sending: ContextVar[Sending] = ContextVar("sending")
_FOREIGN: Final = tuple(kind for kind, _ in _TRANSLATIONS)
_STALE: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class UpstreamRequest(msgspec.Struct, frozen=True):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Transport:
    """One pool of connections, shared by all calls of a process."""

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        connections_per_host: int = CONNECTIONS_PER_HOST,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        self._ca_file, self._per_host, self._keep_alive_s = ca_file, connections_per_host, keep_alive_s
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the pool. `ca_file` is trusted besides the system's authorities; nothing turns verification off."""
        trust = ssl.create_default_context()
        if self._ca_file:
            trust.load_verify_locations(cafile=self._ca_file)
        self._session = aiohttp.ClientSession(
            connector=_Pool(
                ssl=trust, limit=0, limit_per_host=self._per_host, keepalive_timeout=self._keep_alive_s
            ),
            headers={"accept-encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),  # a provider's cookie would tie tenants together
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close every connection; calls that still run fail."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Return the head of the answer, whatever its status. Raises UpstreamFailed. Close what it returns."""
        sending = Sending(timeouts)
        try:
            response = await self._exchange(request, sending)
        except _STALE as error:
            if not sending.was_stale():
                raise _translated(error, sending) from error
            sending.restart()
            try:
                response = await self._exchange(request, sending)
            except _FOREIGN as again:
                raise _translated(again, sending) from again
        except _FOREIGN as error:
            raise _translated(error, sending) from error
        return UpstreamResponse(response, sending)

    async def _exchange(self, request: UpstreamRequest, sending: Sending) -> aiohttp.ClientResponse:
        if self._session is None:
            raise ConnectFailed("the transport is not open")
        body = request.body
        _sending.set(sending)
        try:
            async with sending.timer:
                return await self._session.request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    data=body if len(body) <= _ONE_WRITE else io.BytesIO(body),
                    allow_redirects=False,
                    timeout=_connect_within(sending.timeouts.connect),
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise UpstreamTimeout("connect", sending.timeouts.connect) from error
        except TimeoutError as error:
            if not sending.timer.expired():
                raise  # not ours but the operating system's, an OSError
            raise sending.timeout() from error


class UpstreamResponse:
    """An answer whose body is still coming. `headers` are found in any case of letters."""

    __slots__ = (
        "_content",
        "_expired",
        "_heard",
        "_is_left",
        "_response",
        "_sending",
        "_waiting_since",
        "_watch",
        "headers",
        "status",
    )

    def __init__(self, response: aiohttp.ClientResponse, sending: Sending) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response, self._content, self._sending = response, response.content, sending
        self._watch: asyncio.TimerHandle | None = None
        self._waiting_since = 0.0
        self._heard = self._is_left = False
        self._expired: UpstreamTimeout | None = None

    async def read(self, max_bytes: int, *, truncate: bool = False) -> bytes:
        """Return the whole body; beyond `max_bytes` it is cut or raises UpstreamBroken. Raises UpstreamFailed."""
        blocks: list[bytes] = []
        size = 0
        while block := await self._next():
            blocks.append(block)
            size += len(block)
            if size > max_bytes:
                self._finish()
                if not truncate:
                    raise UpstreamBroken(f"an answer larger than {max_bytes} bytes")
                return b"".join(blocks)[:max_bytes]
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over what has arrived, as it arrives. Raises UpstreamFailed. Whoever stops early calls aclose."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        block = await self._next()
        if not block:
            raise StopAsyncIteration
        return block

    async def aclose(self) -> None:
        """Close the connection unless the body is complete. May be called at any time, more than once."""
        self._finish()

    def leave(self) -> None:
        """Say that nothing more is needed although the end was not read: keeps the connection if it comes at once."""
        if self._watch is not None:
            self._watch.cancel()
        if not self._is_left and not self._content.is_eof():
            self._watch = self._sending.loop.call_later(LEAVE_S, self._close_unless_complete)
        self._is_left = True

    async def _next(self) -> bytes:
        """Return the bytes that are there, waiting if there are none; b"" is the end."""
        content = self._content
        if self._watch is None and not content.is_eof():
            self._watch = self._sending.loop.call_at(self._limit_at(self._sending.loop.time()), self._tick)
        self._waiting_since = self._sending.loop.time()
        try:
            block: bytes = await content.readany()
        except _FOREIGN as error:
            self._finish()
            raise self._expired or _translated(error, self._sending) from error
        except BaseException:  # canceled, or the timeout that _tick has set
            self._finish()
            raise
        self._waiting_since = 0.0
        if not self._heard:
            self._heard = True
            if self._watch is not None:  # from now on it watches for silence, which may end sooner
                self._watch.cancel()
                self._watch = None
        if not block:
            self._finish()
        return block

    def _limit_at(self, now: float) -> float:
        """Return when to look again; a reader who is not waiting is not kept waiting by the provider."""
        sending = self._sending
        if not self._heard:
            return min(sending.first_by, sending.total_at)
        return min((self._waiting_since or now) + sending.timeouts.idle, sending.total_at)

    def _tick(self) -> None:
        now = self._sending.loop.time()
        timeouts = self._sending.timeouts
        if now >= self._sending.total_at:
            self._expire("total", timeouts.total)
        elif self._waiting_since and now >= self._limit_at(now):
            self._expire(*(("idle", timeouts.idle) if self._heard else ("first_byte", timeouts.first_byte)))
        else:
            self._watch = self._sending.loop.call_at(max(self._limit_at(now), now + 0.001), self._tick)

    def _expire(self, phase: Phase, seconds: float) -> None:
        self._expired = UpstreamTimeout(phase, seconds)
        self._content.set_exception(self._expired)
        self._abort()

    def _finish(self) -> None:
        if self._is_left:
            return
        if self._watch is not None:
            self._watch.cancel()
        self._close_unless_complete()

    def _close_unless_complete(self) -> None:
        if not self._content.is_eof() or self._content.exception() is not None:
            self._abort()

    def _abort(self) -> None:
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()  # a polite TLS farewell would wait for the other side
        self._response.close()


def _translated(error: BaseException, sending: Sending) -> UpstreamFailed:
    reason = f"{type(error).__name__}: {error}"[:500]
    if sending.connecting:
        return ConnectFailed(reason)  # whatever it was, nothing was sent
    return next(translate(reason) for kind, translate in _TRANSLATIONS if isinstance(error, kind))


@lru_cache(maxsize=256)
def _connect_within(seconds: float) -> aiohttp.ClientTimeout:
    """Bound the wait for a free slot, the name, the connection and TLS, together."""
    return aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=None, sock_read=None)


class _Pool(aiohttp.TCPConnector):
    """Tells a request how its connection comes to be: kept from before, or new."""

    @override
    async def connect(self, req: Any, traces: Any, timeout: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        _sending.get().connected()
        return connection

    @override
    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        _sending.get().connects()
        return await super()._create_connection(req, traces, timeout)
