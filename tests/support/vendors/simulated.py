"""Requests to the simulator without a socket, and readers of its streams that are apart from the gateway's."""

from __future__ import annotations

import json
import zlib
from typing import Any

from providers.simulator.core.exchange import Request, Response
from providers.simulator.routes import handle

VERSION = {"anthropic-version": "2023-06-01"}


def ask(
    path: str, body: Any = None, *, method: str = "POST", account: str = "one", beta: str = ""
) -> Response:
    """Return the simulator's response; of a path with a query, too."""
    path, _, query = path.partition("?")
    headers = {**VERSION, "anthropic-beta": beta}
    raw = b"" if body is None else json.dumps(body).encode()
    return handle(Request(method=method, path=path, query=query, headers=headers, body=raw, account=account))


def whole(response: Response) -> dict[str, Any]:
    """Return the document of a response that succeeded."""
    assert isinstance(response.body, bytes)
    assert response.status == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


def refused(response: Response, status: int = 400) -> str:
    """Return the message of a response that is an error, in whichever form."""
    assert isinstance(response.body, bytes)
    assert response.status == status, response.body
    body = json.loads(response.body)
    return str(body["message"] if "message" in body else body["error"]["message"])


def error_in(response: Response) -> dict[str, Any]:
    """Return `error` of the body, as OpenAI, Anthropic and Google send it."""
    assert isinstance(response.body, bytes)
    found: dict[str, Any] = json.loads(response.body)["error"]
    return found


def streamed(response: Response) -> bytes:
    assert not isinstance(response.body, bytes), response.body
    return b"".join(frame.data for frame in response.body)


def sse(raw: bytes) -> list[Any]:
    """Return the data of server-sent events; [DONE] as text. Each event's name must be its type."""
    found: list[Any] = []
    for block in raw.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
        data = fields[b"data"]
        found.append(data.decode() if data == b"[DONE]" else json.loads(data))
        if b"event" in fields:
            assert fields[b"event"].decode() == found[-1]["type"]
    return found


def frames(raw: bytes) -> list[tuple[str, Any]]:
    """Return the events of an AWS event stream with both checksums checked: kind (or exception), payload."""
    found = []
    while raw:
        total, length = int.from_bytes(raw[:4]), int.from_bytes(raw[4:8])
        frame, raw = raw[:total], raw[total:]
        assert zlib.crc32(frame[:8]) == int.from_bytes(frame[8:12])
        assert zlib.crc32(frame[:-4]) == int.from_bytes(frame[-4:])
        headers = _headers(frame[12 : 12 + length])
        kind = headers.get(":event-type") or headers[":exception-type"]
        found.append((kind, json.loads(frame[12 + length : -4])))
    return found


def _headers(raw: bytes) -> dict[str, str]:
    found = {}
    while raw:
        name, raw = raw[1 : 1 + raw[0]].decode(), raw[1 + raw[0] :]
        assert raw[0] == 7
        size = int.from_bytes(raw[1:3])
        found[name], raw = raw[3 : 3 + size].decode(), raw[3 + size :]
    return found
