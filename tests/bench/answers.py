"""The upstream's answers, built once as raw HTTP bytes so that serving one costs a single write."""

from __future__ import annotations

import base64
import struct

import msgspec

from tests.bench.workloads import DONE, OUTPUT_TOKENS, PROMPT_TOKENS, STREAM_WORDS, TEXT, VECTOR

_STAMP = {"created": 1_760_000_000, "system_fingerprint": "fp_bench_0123456789"}
_USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": PROMPT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
_MESSAGE: dict[str, object] = {
    "id": "msg_bench0123456789abcdefABCDEF",
    "type": "message",
    "role": "assistant",
    "model": "up-claude",
    "stop_sequence": None,
    "usage": {
        "input_tokens": PROMPT_TOKENS,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": OUTPUT_TOKENS,
        "service_tier": "standard",
    },
}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"


def http_chunk(data: bytes) -> bytes:
    """Return `data` as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def json_answer(value: object, status: bytes = b"200 OK") -> bytes:
    """Return a whole HTTP answer with a JSON body."""
    body = msgspec.json.encode(value)
    return b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        status,
        len(body),
        body,
    )


def event(delta: dict[str, str], finish_reason: str | None = None, *, metered: bool = False) -> bytes:
    """Return one chat chunk as an SSE event; `metered` adds the `"usage": null` that asking for it brings."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    chunk: dict[str, object] = {
        "id": "chatcmpl-bench0123456789abcdefABCDEF",
        "object": "chat.completion.chunk",
        "model": "up-stream",
        "service_tier": "default",
        **_STAMP,
        "choices": [choice],
    }
    if metered:
        chunk["usage"] = None
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def usage_event() -> bytes:
    """Return the last chunk of a stream with usage."""
    chunk = {
        "id": "chatcmpl-bench0123456789abcdefABCDEF",
        "object": "chat.completion.chunk",
        "model": "up-stream",
    }
    return b"data: " + msgspec.json.encode({**chunk, **_STAMP, "choices": [], "usage": _USAGE}) + b"\n\n"


def stream_answer(*, metered: bool, framed: bool) -> bytes:
    """Return a 60-event stream: one HTTP chunk for all of it, or with `framed` one for each event."""
    events = [event({"role": "assistant", "content": ""}, metered=metered)]
    events += [event({"content": word}, metered=metered) for word in STREAM_WORDS]
    events.append(event({}, "stop", metered=metered))
    events += [usage_event()] if metered else []
    events.append(DONE)
    body = b"".join(map(http_chunk, events)) if framed else http_chunk(b"".join(events))
    return STREAM_HEAD + body + STREAM_END


def chat_answer() -> bytes:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    head = {"id": "chatcmpl-bench0123456789abcdefABCDEF", "object": "chat.completion", "model": "up-chat"}
    return json_answer({**head, **_STAMP, "choices": [choice], "usage": _USAGE})


def message_answer() -> bytes:
    """Return the same answer as Anthropic's Messages API writes it."""
    return json_answer({**_MESSAGE, "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn"})


def message_stream() -> bytes:
    """Return the same stream as Anthropic's Messages API writes it, in one HTTP chunk."""
    start = {**_MESSAGE, "content": [], "stop_reason": None}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
            for word in STREAM_WORDS
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": OUTPUT_TOKENS},
        },
        {"type": "message_stop"},
    ]
    body = b"".join(
        b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), msgspec.json.encode(event))
        for event in events
    )
    return STREAM_HEAD + http_chunk(body) + STREAM_END


def embedding_answer(*, packed: bool) -> bytes:
    """Return 256 floats, as base64 of little-endian float32 when `packed`."""
    floats: object = VECTOR
    if packed:
        floats = base64.b64encode(struct.pack(f"<{len(VECTOR)}f", *VECTOR)).decode()
    item = {"object": "embedding", "index": 0, "embedding": floats}
    usage = {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS}
    return json_answer({"object": "list", "data": [item], "model": "up-embed", "usage": usage})


def model_list() -> bytes:
    return json_answer(
        {"object": "list", "data": [{"id": "up-chat", "object": "model", "owned_by": "bench"}]}
    )


def not_found() -> bytes:
    error = {
        "message": "the bench upstream has no such page",
        "type": "invalid_request_error",
        "code": "not_found",
    }
    return json_answer({"error": error}, b"404 Not Found")


def broken() -> bytes:
    """Return the error of a provider."""
    error = {"message": "the bench upstream was told to fail", "type": "server_error", "code": None}
    return json_answer({"error": error}, b"500 Internal Server Error")
