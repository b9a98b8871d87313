"""What providers send for the same calls of tools: as a stream, and as one document. After their documentation.

Each has a text and three calls, two of them of one tool; the arguments have letters of several bytes.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.support.conversation.chat_chunks import chunk
from tests.support.conversation.chat_chunks import sse as chat_sse
from tests.support.vendors.event_stream import event as aws_event
from tests.support.vendors.gemini_streams import chunk as gemini_chunk
from tests.support.vendors.gemini_streams import sse as gemini_sse
from tests.support.vendors.responses_events import events_of
from tests.support.vendors.responses_events import sse as responses_sse

TEXT = "Let me look ✓"
ARGUMENTS: list[dict[str, Any]] = [{"city": "Zürich", "days": [1, 2.5, None]}, {}, {"city": '東京 "x"\n'}]
NAMES = ["get_weather", "get_time", "get_weather"]
IDS = ["call_a1", "call_b2", "call_c3"]
SIGNATURE = "EpwICpkIAe5K"


class Recording(NamedTuple):
    """`has_ids`: the provider states the ids of calls."""

    api: str
    stream: bytes
    document: bytes
    has_ids: bool = True


def _text_of(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, ensure_ascii=False) if arguments else "{}"


def _pieces(arguments: dict[str, Any], size: int = 5) -> list[str]:
    text = _text_of(arguments)
    return [text[at : at + size] for at in range(0, len(text), size)]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


CALLS = [
    {"id": call_id, "type": "function", "function": {"name": name, "arguments": _text_of(arguments)}}
    for call_id, name, arguments in zip(IDS, NAMES, ARGUMENTS, strict=True)
]
CHAT_USAGE = {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50}


def _chat_document(reason: str = "tool_calls", calls: list[Any] = CALLS) -> bytes:
    message = {"role": "assistant", "content": TEXT, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return _json({"id": "c1", "object": "chat.completion", "created": 5, "model": "up", "choices": [choice],
                  "usage": CHAT_USAGE})  # fmt: skip


def _chat() -> bytes:
    """Return OpenAI's own form; the pieces of the calls are interleaved, which its format allows."""
    chunks: list[Any] = [chunk({"role": "assistant", "content": ""}), chunk({"content": TEXT})]
    for index, call in enumerate(CALLS):
        head = {"index": index, "id": call["id"], "type": "function"}
        function = {"name": NAMES[index], "arguments": ""}
        chunks.append(chunk({"tool_calls": [{**head, "function": function}]}))
    pieces = [_pieces(arguments) for arguments in ARGUMENTS]
    for at in range(max(map(len, pieces))):
        for index, several in enumerate(pieces):
            if at < len(several):
                part = {"index": index, "function": {"arguments": several[at]}}
                chunks.append(chunk({"tool_calls": [part]}, obfuscation="x" * at))
    usage = {"id": "c1", "choices": [], "usage": CHAT_USAGE}
    return chat_sse(*chunks, chunk({}, "tool_calls"), usage)


def _odd_chat() -> bytes:
    """Return a compatible server's: whole calls without an index, usage on every chunk, a wrong end, no [DONE]."""
    parts = [{"content": TEXT, "reasoning_content": "Hm."}, *({"tool_calls": [call]} for call in CALLS)]
    chunks = [
        {**chunk(part, ""), "id": f"c{number}", "usage": CHAT_USAGE} for number, part in enumerate(parts)
    ]
    return chat_sse(*chunks, chunk({}, "stop", usage=CHAT_USAGE), done=False)


def _all_at_once() -> bytes:
    """Return a server's that sends all calls in one delta, and repeats id and name with later pieces."""
    heads: list[dict[str, Any]] = [
        {
            "index": index,
            "id": call["id"],
            "type": "function",
            "function": {"name": NAMES[index], "arguments": ""},
        }
        for index, call in enumerate(CALLS)
    ]
    whole = [
        {**head, "function": {"name": head["function"]["name"], "arguments": _text_of(arguments)}}
        for head, arguments in zip(heads, ARGUMENTS, strict=True)
    ]
    return chat_sse(
        chunk({"content": TEXT}), chunk({"tool_calls": heads}), chunk({"tool_calls": whole}, "tool_calls")
    )


RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 5, "status": "completed", "model": "up", "error": None,
    "incomplete_details": None, "output": [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}],
         "encrypted_content": "gAAAA"},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}]},
        *[{"id": f"fc_{at}", "type": "function_call", "status": "completed", "call_id": IDS[at], "name": NAMES[at],
           "arguments": _text_of(ARGUMENTS[at])} for at in range(3)],
    ],
    "usage": {"input_tokens": 30, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20,
              "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 50},
}  # fmt: skip

CLAUDE_USAGE = {"input_tokens": 30, "output_tokens": 20}
CLAUDE: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "up", "stop_reason": "tool_use",
    "stop_sequence": None, "usage": CLAUDE_USAGE, "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": SIGNATURE},
        {"type": "text", "text": TEXT},
        *[{"type": "tool_use", "id": IDS[at], "name": NAMES[at], "input": ARGUMENTS[at]} for at in range(3)],
    ],
}  # fmt: skip


def _claude() -> bytes:
    """Return a stream of Messages: an empty first piece, a call without any, padding spaces, pings, unknown deltas."""
    begun = {**CLAUDE, "content": [], "stop_reason": None, "usage": {"input_tokens": 30, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]

    def block(index: int, empty: dict[str, Any], *deltas: dict[str, Any]) -> None:
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events.extend({"type": "content_block_delta", "index": index, "delta": each} for each in deltas)
        events.append({"type": "content_block_stop", "index": index})

    block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm."},
        {"type": "signature_delta", "signature": SIGNATURE},
    )
    block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": TEXT}, {"type": "odd_delta"})
    for at, arguments in enumerate(ARGUMENTS):
        pieces = ["", *_pieces(arguments)] if arguments else []
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        block(2 + at, {"type": "tool_use", "id": IDS[at], "name": NAMES[at], "input": {}}, *deltas)
    ending = {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}}
    events += [{**ending, "usage": CLAUDE_USAGE}, {"type": "message_stop"}]
    lines = [f"event: {each['type']}\ndata: {json.dumps(each, ensure_ascii=False)}   \n\n" for each in events]
    return "".join(lines).encode()


BEDROCK_USAGE = {"inputTokens": 30, "outputTokens": 20, "totalTokens": 50}


def _converse() -> bytes:
    frames = [aws_event("messageStart", {"role": "assistant", "p": "abcde"})]
    for thought in ({"text": "Hm."}, {"signature": SIGNATURE}):
        delta: dict[str, Any] = {"reasoningContent": thought}
        frames.append(aws_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}))
    frames.append(aws_event("contentBlockStop", {"contentBlockIndex": 0}))
    frames.append(
        aws_event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": TEXT}, "p": "ab"})
    )
    frames.append(aws_event("contentBlockStop", {"contentBlockIndex": 1}))
    for at, arguments in enumerate(ARGUMENTS, 2):
        start = {"toolUse": {"toolUseId": IDS[at - 2], "name": NAMES[at - 2]}}
        frames.append(aws_event("contentBlockStart", {"contentBlockIndex": at, "start": start, "p": "abc"}))
        for piece in _pieces(arguments):
            delta = {"toolUse": {"input": piece}}
            frames.append(aws_event("contentBlockDelta", {"contentBlockIndex": at, "delta": delta}))
        frames.append(aws_event("contentBlockStop", {"contentBlockIndex": at}))
    frames.append(aws_event("messageStop", {"stopReason": "tool_use"}))
    frames.append(aws_event("metadata", {"usage": BEDROCK_USAGE, "metrics": {"latencyMs": 5}}))
    return b"".join(frames)


def _converse_document() -> bytes:
    uses = [{"toolUse": {"toolUseId": IDS[at], "name": NAMES[at], "input": ARGUMENTS[at]}} for at in range(3)]
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": SIGNATURE}}}
    message = {"role": "assistant", "content": [thought, {"text": TEXT}, *uses]}
    whole = {"output": {"message": message}, "stopReason": "tool_use", "usage": BEDROCK_USAGE}
    return _json({**whole, "metrics": {"latencyMs": 5}})


GEMINI_USAGE = {"promptTokenCount": 30, "candidatesTokenCount": 20, "totalTokenCount": 50}


def _gemini_parts(*, has_ids: bool) -> list[dict[str, Any]]:
    calls = [
        {"functionCall": {**({"id": IDS[at]} if has_ids else {}), "name": NAMES[at], "args": ARGUMENTS[at]}}
        for at in range(3)
    ]
    calls[0]["thoughtSignature"] = SIGNATURE  # type: ignore[assignment]  # a text beside an object
    return [{"text": TEXT}, *calls]


def _gemini(*, has_ids: bool) -> Recording:
    parts = _gemini_parts(has_ids=has_ids)
    last = gemini_chunk([{"text": ""}], "STOP", usageMetadata=GEMINI_USAGE)
    stream = gemini_sse(*(gemini_chunk([part]) for part in parts), last)
    return Recording(
        "gemini", stream, _json(gemini_chunk(parts, "STOP", usageMetadata=GEMINI_USAGE)), has_ids
    )


RECORDINGS = {
    "openai_chat": Recording("openai_chat", _chat(), _chat_document()),
    "odd_chat": Recording("openai_chat", _odd_chat(), _chat_document("stop")),
    "all_at_once": Recording("openai_chat", _all_at_once(), _chat_document()),
    "openai_responses": Recording("openai_responses", responses_sse(events_of(RESPONSE)), _json(RESPONSE)),
    "anthropic_messages": Recording("anthropic_messages", _claude(), _json(CLAUDE)),
    "bedrock_converse": Recording("bedrock_converse", _converse(), _converse_document()),
    "gemini": _gemini(has_ids=True),
    "gemini_without_ids": _gemini(has_ids=False),
}
