"""The order of a stream of Messages, as a strict client checks it, and the message that it collects."""

from __future__ import annotations

import json
from typing import Any, Final

DELTAS: Final[dict[str, set[str]]] = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
    "redacted_thinking": set(),
}


def parsed(stream: bytes) -> list[dict[str, Any]]:
    found = []
    for frame in stream.split(b"\n\n")[:-1]:
        head, _, data = frame.partition(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert head == b"event: " + event["type"].encode()
        found.append(event)
    return found


def collected(stream: list[dict[str, Any]]) -> dict[str, Any]:
    """Check the order as a strict client would, and return the message that it collects."""
    stream = [event for event in stream if event["type"] != "ping"]
    first, *middle, delta, stop = stream
    assert (first["type"], delta["type"], stop) == (
        "message_start",
        "message_delta",
        {"type": "message_stop"},
    )
    message: dict[str, Any] = first["message"]
    assert message["content"] == []
    is_open = False
    for event in middle:
        content = message["content"]
        if event["type"] == "content_block_start":
            assert not is_open
            assert event["index"] == len(content)
            content.append(event["content_block"] | {"json": ""})
            is_open = True
            continue
        assert is_open
        assert event["index"] == len(content) - 1
        if event["type"] == "content_block_stop":
            is_open = False
        else:
            assert event["type"] == "content_block_delta"
            _apply(content[-1], event["delta"])
    assert not is_open
    for block in message["content"]:
        arguments = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = arguments
    return {**message, **delta["delta"], "usage": delta["usage"]}


def _apply(block: dict[str, Any], delta: dict[str, Any]) -> None:
    kind = delta["type"]
    assert kind in DELTAS[block["type"]]
    if kind == "text_delta":
        block["text"] += delta["text"]
    elif kind == "thinking_delta":
        assert not block["signature"]
        block["thinking"] += delta["thinking"]
    elif kind == "signature_delta":
        assert not block["signature"]
        block["signature"] = delta["signature"]
    elif kind == "input_json_delta":
        block["json"] += delta["partial_json"]
    else:
        block.setdefault("citations", []).append(delta["citation"])
