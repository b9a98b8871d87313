"""One HTTP/1.1 connection to a provider: one request and its response at a time. Parsed by llhttp.

Cost: 15 us of CPU an exchange, no timer, no task. At most HIGH_WATER and one read are buffered for a slow reader.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final, cast

import httptools
from typing_extensions import override

from providers.errors.exceptions import UpstreamBroken, UpstreamFailed, named
from providers.transport.content_coding import coding_of, unzipping
from providers.transport.tcp_acknowledgement import TcpState

if TYPE_CHECKING:
    from collections.abc import Callable

HIGH_WATER: Final = 64 * 1024
MAX_HEAD: Final = 64 * 1024  # also of trailers and of chunk extensions
MAX_UNZIPPED: Final = 16 * 1024 * 1024  # of one read: more is a decompression bomb
ONE_WRITE: Final = 1024 * 1024  # larger bodies are sent in pieces, so that other calls do not wait
_INFORMATIONAL: Final = range(100, 200)  # RFC 9110, 15.2: may precede the final response
_WITHOUT_BODY: Final = frozenset({204, 304})


class Connection(asyncio.Protocol):
    """`status`, `headers` (lower-case names) and the flags belong to the current or the last exchange."""

    __slots__ = (
        "_blocks",
        "_encoding",
        "_had_body",
        "_head_bytes",
        "_is_delimited",
        "_is_interim",
        "_is_kept",
        "_is_paused",
        "_is_request_cut",
        "_is_sent",
        "_is_write_paused",
        "_loop",
        "_on_lost",
        "_parser",
        "_size",
        "_transport",
        "_unzip",
        "_unzipped",
        "_waiter",
        "failure",
        "has_head",
        "has_received",
        "headers",
        "is_lost",
        "is_over",
        "kept_since",
        "status",
        "tcp_state",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None]) -> None:
        self._loop, self._on_lost = loop, on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.is_lost = self._is_sent = self._is_write_paused = False
        self._is_request_cut = False  # the rest of a request was never sent, so no other can be
        self.kept_since = 0.0
        self.tcp_state = TcpState()
        self._reset()

    def _reset(self) -> None:
        """Reset for the next exchange."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.failure: UpstreamFailed | None = None
        self.has_head = self.is_over = self.has_received = self._is_kept = False
        self._is_delimited = self._is_interim = self._is_paused = False
        self._had_body = False  # in the last read
        self._head_bytes = self._size = self._unzipped = 0
        self._encoding = ""
        self._blocks: list[bytes] = []
        self._unzip: zlib._Decompress | None = None

    @property
    def is_open(self) -> bool:
        """Whether a request could be sent: the peer may have closed, and it shows only later."""
        return not self.is_lost and self._transport is not None and not self._transport.is_closing()

    @property
    def may_serve_again(self) -> bool:
        """Whether this exchange is complete on both sides and another may follow."""
        is_whole = self._is_kept and not self._is_request_cut and self.failure is None
        return is_whole and not self._is_paused and self.is_open  # paused: not read to its end

    def send_head(self, head: bytes, body: bytes) -> None:
        """Send a request. A body beyond ONE_WRITE bytes is sent by `send_body`."""
        assert self._transport is not None  # noqa: S101 - the caller is connected
        self._reset()
        self._is_sent = True
        self._transport.write(head + body if len(body) <= ONE_WRITE else head)

    async def send_body(self, body: bytes) -> None:
        """Send a large body as fast as the peer accepts it; stop as soon as a response arrives."""
        assert self._transport is not None  # noqa: S101 - `send_head` was called before
        view = memoryview(body)
        for start in range(0, len(body), ONE_WRITE):
            while self._is_write_paused and not self.has_head and self.failure is None:
                await self._wait()
            if self.has_head or self.failure is not None:
                self._is_request_cut = True
                return
            self._transport.write(view[start : start + ONE_WRITE])

    async def read_head(self) -> None:
        """Wait until `status` and `headers` are there. Raises UpstreamFailed."""
        while not self.has_head:
            if self.failure is not None:
                raise self.failure
            await self._wait()

    @property
    def has_chunk(self) -> bool:
        return bool(self._blocks) or self.is_over or self.failure is not None

    async def read_chunk(self) -> bytes:
        """Return the bytes that have arrived, waiting if there are none; b"" is the end. Raises UpstreamFailed."""
        while not self._blocks:
            if self.failure is not None:
                raise self.failure
            if self.is_over:
                return b""
            await self._wait()
        blocks, self._blocks, self._size = self._blocks, [], 0
        if self._is_paused:
            self._is_paused = False
            if self._transport is not None and self.is_open:
                self._transport.resume_reading()
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def fail(self, failure: UpstreamFailed) -> None:
        """End the exchange and the connection; a waiting reader gets the failure."""
        if self.failure is None and not self.is_over:
            self.failure = failure
        self.abort()
        self._wake()

    def abort(self) -> None:
        """Close at once: an orderly shutdown, such as that of TLS, would wait for the peer."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Callbacks of asyncio.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def eof_received(self) -> None:
        if not self.has_received:
            self.tcp_state.on_fin()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if not self.is_over and self.failure is None:
            if self.has_head and not self._is_delimited and not self._lacks_an_end and exc is None:
                self.is_over = True  # RFC 9112, 6.3: without a length the body ends with the connection
            else:
                kind = "reset" if isinstance(exc, ConnectionResetError) else "closed"
                why = (
                    f"the connection was closed: {named(exc)}"
                    if exc is not None
                    else "the connection was closed"
                )
                self.failure = UpstreamBroken(why[:200], kind=kind)
        self._wake()
        self._on_lost(self)

    @override
    def pause_writing(self) -> None:
        self._is_write_paused = True

    @override
    def resume_writing(self) -> None:
        self._is_write_paused = False
        self._wake()

    @override
    def data_received(self, data: bytes) -> None:
        if not self._is_sent or self.is_over:
            self.abort()  # a response without a request
            return
        self.has_received = True
        self._had_body, self._unzipped = False, 0
        before = self._head_bytes
        try:
            self._parser.feed_data(data)
            if not self._had_body and not self.is_over:
                self._head_bytes = before  # its headers are counted with the rest of the read
                self._grow(len(data))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError, zlib.error) as error:
            reason = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
            self.fail(UpstreamBroken(named(reason or error)[:500]))
            return
        self._wake()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        if self.is_over:
            raise ValueError("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow(len(name) + len(value))
        if self.has_head:
            return  # a trailer
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        known = self.headers.get(key)
        self.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status in _INFORMATIONAL:
            self._is_interim, self.headers = True, {}
            return
        self.has_head = True
        self._is_delimited = (
            "content-length" in self.headers
            or "transfer-encoding" in self.headers
            or self.status in _WITHOUT_BODY
        )
        if "content-encoding" in self.headers:
            self._encoding = coding_of(self.headers["content-encoding"])

    def on_body(self, body: bytes) -> None:
        self._had_body, self._head_bytes = True, 0
        if self._encoding:
            body = self._decoded(body)
            if not body:
                return
        self._blocks.append(body)
        self._size += len(body)
        if self._size > HIGH_WATER and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._is_interim = False
            return
        if self._lacks_an_end:
            raise ValueError("a compressed answer that ends too early")
        self.is_over = True
        self._is_kept = self._parser.should_keep_alive()

    def _decoded(self, body: bytes) -> bytes:
        """Decompress a body that is compressed although `identity` was requested; an empty one may have any coding."""
        if self._unzip is None:
            self._unzip = unzipping(self._encoding, body)
        body = self._unzip.decompress(body, MAX_UNZIPPED + 1 - self._unzipped)
        self._unzipped += len(body)
        if self._unzipped > MAX_UNZIPPED:
            raise ValueError("a compressed answer that grows too much")
        if self._unzip.unused_data:  # RFC 1952 allows further members; no provider is known to send them
            raise ValueError("a compressed answer that goes on after its end")
        return body

    @property
    def _lacks_an_end(self) -> bool:
        return self._unzip is not None and not self._unzip.eof

    def _grow(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD:
            raise ValueError("the head is too large")
