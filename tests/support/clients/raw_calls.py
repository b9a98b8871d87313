"""Calls over bare sockets: a thousand at a time are cheap, and a client may disconnect inside a token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

CHAT = "/v1/chat/completions"
CALL_S = 60.0


class RawAnswer(msgspec.Struct, kw_only=True):
    """What arrived; status 0 when nothing did. `is_whole`: the body came to its end."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    is_whole: bool = False

    @property
    def id(self) -> str:
        return self.headers.get("x-request-id", "")

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def saw_the_end(self) -> bool:
        """Say whether everything that this client got shows a successful call."""
        if self.status != 200 or not self.is_whole:
            return False
        is_stream = self.headers.get("content-type", "").startswith("text/event-stream")
        return self.body.endswith(b"data: [DONE]\n\n") if is_stream else True


def question(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


async def ask(
    url: str,
    key: str,
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    path: str = CHAT,
    leave_after: int | None = None,
) -> RawAnswer:
    """Make one call on its own connection; leave after so many events if asked to. A broken one is a short answer;
    one that never ends is a TimeoutError.
    """
    answer = RawAnswer()
    try:
        async with asyncio.timeout(CALL_S):
            await _exchange(url, _request(key, body, headers or {}, path), answer, leave_after)
    except TimeoutError:  # no process has ended: one waits for ever
        raise
    except (OSError, asyncio.IncompleteReadError):
        pass  # the server crashed: what came before stands
    return answer


def _request(key: str, body: Mapping[str, Any], headers: Mapping[str, str], path: str) -> bytes:
    data = msgspec.json.encode(body)
    given = {
        "host": "gateway",
        "authorization": f"Bearer {key}",
        "content-type": "application/json",
        "content-length": str(len(data)),
        "connection": "close",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + data


async def _exchange(url: str, request: bytes, answer: RawAnswer, leave_after: int | None) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        if leave_after == 0:
            await writer.drain()
            return
        await _read_head(reader, answer)
        await _read_body(reader, answer, leave_after)
    finally:
        writer.transport.abort()


async def _read_head(reader: asyncio.StreamReader, answer: RawAnswer) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    answer.status = int(head[0].split(" ")[1])
    for line in head[1:]:
        name, colon, value = line.partition(": ")
        if colon:
            answer.headers[name.lower()] = value


async def _read_body(reader: asyncio.StreamReader, answer: RawAnswer, leave_after: int | None) -> None:
    if answer.headers.get("transfer-encoding") != "chunked":
        answer.body = await reader.readexactly(int(answer.headers["content-length"]))
        answer.is_whole = True
        return
    while size := int(await reader.readuntil(b"\r\n"), 16):
        answer.body += (await reader.readexactly(size + 2))[:-2]
        if leave_after is not None and answer.body.count(b"data: ") >= leave_after:
            return
    answer.is_whole = True
