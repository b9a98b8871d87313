"""What OpenAI's Responses API sends: items of an output, and the named events of a whole response."""

from __future__ import annotations

import json
from typing import Any


def hello(_: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a vendor says that has no script."""
    return [text("Hello there")]


def text(said: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": said, "annotations": [], "logprobs": []}]
    return {"type": "message", "role": "assistant", "status": "completed", "content": content}


def call(name: str, arguments: dict[str, Any], call_id: str = "call_1") -> dict[str, Any]:
    return {
        "type": "function_call", "status": "completed", "call_id": call_id, "name": name,
        "arguments": json.dumps(arguments),
    }  # fmt: skip


def thought(words: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "thought": words}


def events_of(response: dict[str, Any], ending: str = "completed") -> list[dict[str, Any]]:
    """Return the named events of a whole response, as the vendor sends them."""
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for place, item in enumerate(response["output"]):
        events += _events_of_item(item, place)
    if ending == "error":
        error = {"type": "server_error", "code": "server_error", "message": "It broke.", "param": None}
        events.append({"type": "error", "error": error})
        failed = {**response, "status": "failed", "error": {"code": "server_error", "message": "It broke."}}
        events.append({"type": "response.failed", "response": failed})
    elif ending != "cut":
        events.append({"type": f"response.{response['status']}", "response": response})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _events_of_item(item: dict[str, Any], place: int) -> list[dict[str, Any]]:
    where = {"item_id": item["id"], "output_index": place}
    added = {"type": "response.output_item.added", "output_index": place}
    done = {"type": "response.output_item.done", "output_index": place, "item": item}
    if item["type"] == "function_call":
        text_of, kind = item["arguments"], "response.function_call_arguments"
        added["item"] = {**item, "arguments": "", "status": "in_progress"}
        middle = [
            *({"type": f"{kind}.delta", **where, "delta": piece} for piece in _pieces(text_of)),
            {"type": f"{kind}.done", **where, "name": item["name"], "arguments": text_of},
        ]
    elif item["type"] == "reasoning":
        said, kind, at = item["summary"][0]["text"], "response.reasoning_summary", {"summary_index": 0}
        part = {"type": "summary_text", "text": ""}
        added["item"] = {**item, "summary": []}
        middle = [
            {"type": f"{kind}_part.added", **where, **at, "part": part},
            *({"type": f"{kind}_text.delta", **where, **at, "delta": piece} for piece in _pieces(said)),
            {"type": f"{kind}_text.done", **where, **at, "text": said},
            {"type": f"{kind}_part.done", **where, **at, "part": {**part, "text": said}},
        ]
    else:
        [content], at = item["content"], {"content_index": 0}
        added["item"] = {**item, "content": [], "status": "in_progress"}
        empty = {**content, "text": ""}
        middle = [
            {"type": "response.content_part.added", **where, **at, "part": empty},
            *(
                {"type": "response.output_text.delta", **where, **at, "delta": piece, "logprobs": []}
                for piece in _pieces(content["text"])
            ),
            {"type": "response.output_text.done", **where, **at, "text": content["text"], "logprobs": []},
            {"type": "response.content_part.done", **where, **at, "part": content},
        ]
    return [added, *middle, done]


def _pieces(said: str) -> list[str]:
    return [said[at : at + 4] for at in range(0, len(said), 4)]


def sse(events: list[dict[str, Any]]) -> bytes:
    return b"".join([f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events])
