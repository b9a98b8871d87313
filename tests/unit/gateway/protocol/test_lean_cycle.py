"""The head of an answer is, to the byte, what uvicorn writes."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.protocol.lean_cycle import make_lean

DEFAULT = [(b"date", b"Sun, 29 Nov 2026 12:00:00 GMT")]
JSON = (b"content-type", b"application/json")


class Written(list[bytes]):
    def write(self, data: bytes) -> None:
        self.append(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        self.append(b"closed")


async def answered(
    *,
    is_lean: bool,
    headers: list[Any],
    status=200,
    method="POST",
    keep_alive=True,
    body=b"{}",
    version="1.1",
    parts: tuple[bytes, ...] = (),
):
    """Return all that was written, whether the connection is kept, and what was raised."""
    transport: Any = Written()
    cycle = RequestResponseCycle(
        scope={"type": "http", "method": method, "http_version": version},  # type: ignore[typeddict-item]
        transport=transport,
        flow=SimpleNamespace(write_paused=False),  # type: ignore[arg-type]
        logger=logging.getLogger("test"),
        access_logger=logging.getLogger("test"),
        access_log=False,
        default_headers=DEFAULT,
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )
    if is_lean:
        make_lean(cycle, asyncio.get_running_loop())
    try:
        await cycle.send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await cycle.send({"type": "http.response.body", "body": part, "more_body": True})
        await cycle.send({"type": "http.response.body", "body": body})
    except RuntimeError as error:
        return b"".join(transport), cycle.keep_alive, str(error)
    await asyncio.sleep(0)
    return b"".join(transport), cycle.keep_alive, ""


@pytest.mark.parametrize(
    "given",
    [
        {"headers": [JSON, (b"content-length", b"2")]},
        {"headers": [JSON]},
        {"headers": []},
        {"headers": [[b"Content-Type", b"text/plain"], [b"Content-Length", b"2"]]},
        {"headers": [JSON, (b"content-length", b"2"), (b"Connection", b"keep-alive, Close")]},
        {"headers": [JSON, (b"content-length", b"2"), (b"connection", b"upgrade")], "keep_alive": False},
        {"headers": [JSON, (b"content-length", b"2")], "keep_alive": False},
        {"headers": [JSON, (b"transfer-encoding", b"Chunked")]},
        {"headers": [(b"transfer-encoding", b"chunked"), (b"content-length", b"2")]},
        {"headers": [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")]},
        {"headers": [], "status": 204, "body": b""},
        {"headers": [(b"etag", b'"1"')], "status": 304, "body": b""},
        {"headers": [(b"content-length", b"2")], "method": "HEAD"},
        {"headers": [], "method": "HEAD"},
        {"headers": [(b"content-length", b"3")]},
        {"headers": [(b"1", b"2"), (b"content-length", b"2")], "status": 503},
        {"headers": [(b"x-words", b"tab\tand \xe4"), (b"content-length", b"2")]},
        {"headers": [(b"x bad", b"1")]},
        {"headers": [(b"x:bad", b"1")]},
        {"headers": [(b"x-bad", b"1\r\nset-cookie: a=b")]},
        {"headers": [(b"x-bad", b"1\x00")]},
        {"headers": [(b"x-bad", b"1\x7f")]},
    ],
)
async def test_response_head_equals_uvicorns(given):
    assert await answered(is_lean=True, **given) == await answered(is_lean=False, **given)


@pytest.mark.parametrize(
    "given",
    [
        {"headers": [JSON]},
        {"headers": [JSON], "parts": (b"data: 1\n\n", b"", b"data: 2\n\n")},
        {"headers": [JSON, (b"transfer-encoding", b"chunked")], "parts": (b"a",)},
        {"headers": [JSON, (b"Transfer-Encoding", b"gzip, chunked"), (b"connection", b"close")]},
        {"headers": [(b"x-words", b"\xe4"), (b"connection", b"keep-alive")]},
        {"headers": [], "body": b"", "status": 500},
    ],
)
async def test_a_client_of_http_1_0_gets_no_chunks(given):
    """C27, RFC 9112, 6.1: what has no length ends with its connection."""
    written, _, error = await answered(is_lean=True, version="1.0", keep_alive=False, **given)
    head, _, body = written.partition(b"\r\n\r\n")
    assert error == ""
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head or b"connection: keep-alive" in head
    assert body == b"".join(given.get("parts", ())) + given.get("body", b"{}") + b"closed"


@pytest.mark.parametrize(
    "given",
    [
        {"headers": [JSON, (b"content-length", b"2")]},
        {"headers": [JSON, (b"content-length", b"3")]},
        {"headers": [JSON, (b"content-length", b"2")], "method": "HEAD"},
        {"headers": [(b"content-length", b"2"), (b"connection", b"close")]},
        {"headers": [], "method": "HEAD"},
        {"headers": [], "status": 204, "body": b""},
    ],
)
async def test_response_with_a_length_equals_uvicorns_for_http_1_0(given):
    more: dict[str, Any] = {"version": "1.0", "keep_alive": False}
    assert await answered(is_lean=True, **more, **given) == await answered(is_lean=False, **more, **given)
