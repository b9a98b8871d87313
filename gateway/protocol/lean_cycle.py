"""Writes the head of a response as uvicorn does, but checks all its headers together: a call has thirty of them.

A client of HTTP/1.0 does not know chunks (RFC 9112, 6.1), which uvicorn would send it: a response without a length
ends with its connection.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HEADER_RE, STATUS_LINE, RequestResponseCycle

from gateway.protocol.cork import Cork

MOST_NAMES: Final = 512
_LENGTH: Final = b"content-length"
_FRAMING: Final = frozenset({_LENGTH, b"transfer-encoding", b"connection"})
_WITHOUT_BODY: Final = frozenset({204, 304})
_FORBIDDEN: Final = bytes((*range(9), *range(10, 32), 127))  # in values: uvicorn's HEADER_VALUE_RE
_line_of: Final = b": ".join
_good_names: set[bytes] = set()  # in lower case, already checked


class LeanCycle(RequestResponseCycle):
    """One request and its response. A cycle becomes one when it begins (gateway/protocol/http_protocol.py)."""

    is_until_close = False

    @override
    async def send(self, message: Any) -> None:
        if self.is_until_close:  # any length is accepted
            self.expected_content_length = len(message.get("body", b""))
        elif not self.response_started:
            if self.scope["http_version"] == "1.0":
                message = self._without_chunks(message)
            if not self.flow.write_paused and self._wrote_head(message):
                return
        await super().send(message)
        if self.response_complete:
            self.transport.release()  # type: ignore[attr-defined]  # a head without a body, before a FIN is seen

    def _without_chunks(self, message: Any) -> Any:
        headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"transfer-encoding"]
        if not any(name.lower() == _LENGTH for name, _ in headers):
            self.is_until_close = message["type"] == "http.response.start"
            self.chunked_encoding = False
        return {**message, "headers": headers}

    def _wrote_head(self, message: Any) -> bool:
        """Write a head without special cases; False: uvicorn has to write it."""
        if message["type"] != "http.response.start" or self.disconnected or self.access_log:
            return False
        pairs = [*self.default_headers, *message.get("headers", ())]
        names = [name for name, _ in pairs]
        head = b"\r\n".join(map(_line_of, pairs)) + b"\r\n"
        if not _are_good(names) or len(head.translate(None, _FORBIDDEN)) != len(head) - 2 * len(pairs):
            return False
        framing = _FRAMING.intersection(names)
        if len(framing) > 1 or (framing and _LENGTH not in framing) or self.chunked_encoding is not None:
            return False
        self.response_started, self.waiting_for_100_continue = True, False
        status = message["status"]
        if framing:
            self.expected_content_length = int(pairs[names.index(_LENGTH)][1])
            self.chunked_encoding = False
        if not self.keep_alive:
            head += b"connection: close\r\n"
        if not framing and self.scope["method"] != "HEAD" and status not in _WITHOUT_BODY:
            self.chunked_encoding = True
            head += b"transfer-encoding: chunked\r\n"
        self.transport.write(STATUS_LINE[status] + head + b"\r\n")
        return True


def _are_good(names: list[bytes]) -> bool:
    """Whether these are valid names, in lower case."""
    if _good_names.issuperset(names):
        return True
    if any(HEADER_RE.search(name) or name != name.lower() for name in names):
        return False
    if len(_good_names) < MOST_NAMES:
        _good_names.update(names)
    return True


def make_lean(cycle: RequestResponseCycle, loop: asyncio.AbstractEventLoop) -> None:
    """Turn a cycle that has not begun yet into this class; uvicorn creates them itself."""
    cycle.__class__ = LeanCycle
    cycle.transport = Cork(cycle.transport, loop)  # type: ignore[assignment]  # all that a cycle uses of it
