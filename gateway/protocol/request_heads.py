"""Reads the heads of requests: within a bound, nothing that two servers could read differently, and no other protocol.

A client may offer to go on in another protocol (RFC 9110, 7.8). Java's HttpClient offers HTTP/2 with every request over
http://, `curl --http2` does so too. The parser takes whatever follows such a head for that protocol, so the body of the
request would be lost: a declined offer is taken out of the head, which is then read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http.head_rules import CODING_LENGTH, HOST_LENGTH, refusal, without_offer

MAX_HEAD: Final = 64 * 1024
TOO_LARGE: Final = "the head is too large"  # ends the parser; send_400_response answers


class RequestHeads(HttpToolsProtocol):
    """What a connection does with heads. `_refuse` ends it with a status."""

    _head_bytes = 0
    _is_offer = False  # what the parser tells now is of a request that is read again without its offer
    _hosts: Sequence[bytes] = ()
    _codings: Sequence[bytes] = ()  # how its body is sent

    def _refuse(self, status: int) -> None:
        raise NotImplementedError

    @override
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        rest: bytes | memoryview = data
        try:
            while rest:
                try:
                    self.parser.feed_data(rest)
                except httptools.HttpParserUpgrade as end:
                    rest = self._after(end, rest)
                else:
                    return
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self.send_400_response("Invalid HTTP request received.")

    def _after(self, end: httptools.HttpParserUpgrade, data: bytes | memoryview) -> bytes | memoryview:
        """Return what is still to be read: what follows a head whose offer was declined."""
        if self._should_upgrade():
            self.handle_websocket_upgrade()
        elif self._is_offer:
            self._read_without_offer()
            return memoryview(data)[end.args[0] :]
        return b""

    def _read_without_offer(self) -> None:
        head = without_offer(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self.parser.feed_data(head)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._hosts = self._codings = ()
        self._is_offer = False

    @override
    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes > MAX_HEAD:
            raise ValueError(TOO_LARGE)
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes = size = self._head_bytes + len(name) + len(value)
        if size > MAX_HEAD:
            raise ValueError(TOO_LARGE)
        if len(name) == HOST_LENGTH and name.lower() == b"host":
            value = value.rstrip(b" \t")  # the parser takes away only what is before it (RFC 9112, 5.1)
            self._hosts = (*self._hosts, value)
        elif len(name) == CODING_LENGTH and name.lower() == b"transfer-encoding":
            self._codings = (*self._codings, value)
        super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._head_bytes = 0
        version = self.parser.get_http_version()
        status = refusal(version, self.parser.get_method(), self._hosts, self._codings)
        if status:
            self._refuse(status)
            raise ValueError("not a request for us")  # ends the parser
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._is_offer = True
            return
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110, 10.1.1
        super().on_headers_complete()

    @override
    def _should_upgrade(self) -> bool:
        """A websocket begins with a GET (RFC 6455, 4.1); of everything else its body counts."""
        return self.parser.get_method() == b"GET" and super()._should_upgrade()
