"""Reads request heads: bounded, nothing that two servers could read differently, and no protocol upgrades.

A client may offer to upgrade to another protocol (RFC 9110, 7.8). Java's HttpClient offers HTTP/2 with every request
over http://, as does `curl --http2`. The parser takes whatever follows such a head for that protocol, so the body of
the request would be lost: a declined offer is removed from the head, which is then parsed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http.head_rules import CODING_LENGTH, HOST_LENGTH, refusal, without_offer

MAX_HEAD: Final = 64 * 1024
TOO_LARGE: Final = "the head is too large"  # stops the parser; send_400_response responds


class RequestHeads(HttpToolsProtocol):
    """How a connection processes request heads. `_refuse` closes it with a status."""

    _head_bytes = 0
    _is_offer = False  # the parser's events are of a request that is parsed again without its offer
    _hosts: Sequence[bytes] = ()
    _codings: Sequence[bytes] = ()  # the transfer codings of its body

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
        """Return the bytes still to be read: those after a head whose offer was declined."""
        if self._should_upgrade():
            self.handle_websocket_upgrade()
        elif self._is_offer:
            self._read_without_offer()
            return memoryview(data)[end.args[0] :]
        return b""

    def _read_without_offer(self) -> None:
        head = without_offer(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
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
            value = value.rstrip(b" \t")  # the parser removes only the whitespace before it (RFC 9112, 5.1)
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
            raise ValueError("not a request for us")  # stops the parser
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._is_offer = True
            return
        if version == "1.0":
            self.expect_100_continue = False  # RFC 9110, 10.1.1
        super().on_headers_complete()

    @override
    def _should_upgrade(self) -> bool:
        """A websocket begins with a GET (RFC 6455, 4.1); any other request is read with its body."""
        return self.parser.get_method() == b"GET" and super()._should_upgrade()
