"""Answers of a provider in one form or the other, and the call that gets them."""

from __future__ import annotations

import json
from typing import Any

from tests.support import sample
from tests.support.books.ledger import Row, row_of
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway

SSE = {"content-type": "text/event-stream"}
USED = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
MESSAGE = {"role": "assistant", "content": "hello"}
WHOLE: dict[str, Any] = {
    "id": "x", "object": "chat.completion", "created": 1, "model": "up",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
}  # fmt: skip
DONE = "data: [DONE]\n\n"
PICTURE = "data:image/png;base64," + "iVBORw0KGgo" * 140_000  # 1.5 MB


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "up",
        "choices": [choice],
        **more,
    }


def events(*documents: dict[str, Any] | str, end: str = DONE) -> str:
    told = [each if isinstance(each, str) else json.dumps(each) for each in documents]
    return "".join([f"data: {each}\n\n" for each in told]) + end


def document(more: str = "", choice: str = "", usage: str = json.dumps(USED)) -> str:
    return (
        '{"id":"x","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},'
        f'"finish_reason":"stop"{choice}}}],"usage":{usage}{more}}}'
    )


async def asked(
    gateway: Gateway,
    upstream: Any,
    said: str,
    *,
    stream: bool = False,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> tuple[Any, Row]:
    whole = {"kind": "status", "status": 200, "body": said, "headers": headers or {}}
    streamed = {
        "kind": "raw",
        "raw": said,
        "headers": {"content-type": "application/json", **(headers or {})},
    }
    upstream.script("up-other", streamed if stream else whole)
    upstream.script("up-vector", whole)
    is_embedding = "input" in more
    body = {"model": "vector", **more} if is_embedding else question("other", stream=stream, **more)
    async with gateway.client(sample.ALICE, timeout=60) as client:
        answer = await client.post(f"/v1/{'embeddings' if is_embedding else 'chat/completions'}", json=body)
    return answer, await row_of(gateway, answer.headers["x-request-id"])


def booked(row: Row) -> tuple[Any, ...]:
    return (
        row["status"],
        row["input_tokens"],
        row["output_tokens"],
        row["estimated"],
        row["unsettled_nanousd"],
    )


OK = ("ok", 9, 5, False, 0)
FAILED = ("error", 9, 5, False, 0)
STREAM = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hel"}), chunk({"content": "lo"}),
          chunk({}, "stop")]  # fmt: skip
LAST = {**chunk({}), "choices": [], "usage": USED}
