"""What the client of chat completions asks in the matrix, and how its responses are read."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any, Final

import msgspec

from tests.functional.providers.matrix.asking import Asking, Got
from tests.functional.providers.matrix.rows import Up
from tests.support.clients import pdfs
from tests.support.clients.media import png

CITY: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Final = [
    {"type": "function", "function": {"name": name, "description": "of a city", "parameters": CITY}}
    for name in ("weather", "population")
]
_FORM: Final = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
SCHEMA: Final = {"type": "json_schema", "json_schema": {"name": "person", "schema": _FORM, "strict": True}}
PICTURE: Final = {
    "type": "image_url",
    "image_url": {"url": f"data:image/png;base64,{b64encode(png(64, 64)).decode()}"},
}
PAPER: Final = {
    "type": "file",
    "file": {
        "filename": "a.pdf",
        "file_data": f"data:application/pdf;base64,{b64encode(pdfs.plain()).decode()}",
    },
}
LONG_SYSTEM: Final = "Answer as a careful gardener would. " * 600
MARKED: Final = {
    "role": "system",
    "content": [{"type": "text", "text": LONG_SYSTEM, "cache_control": {"type": "ephemeral"}}],
}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One choice, whether it was a document or a stream. `calls`: names and arguments."""

    text: str
    refusal: str
    finish: str
    calls: list[tuple[str, str]]
    message: dict[str, Any]
    usage: dict[str, Any]


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def streamed(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "stream": True, "stream_options": {"include_usage": True}}


def reply_of(got: Got) -> Reply:
    """Read a response that succeeded."""
    assert got.answer.status_code == 200, got.answer.text
    if not got.events:
        (choice,) = got.document["choices"]
        return _reply(choice["message"], choice["finish_reason"], got.document["usage"])
    assert got.events[-1] == "[DONE]", got.events[-1]
    chunks = got.events[:-1]
    assert chunks[-1]["choices"] == []
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    message = _message([choice["delta"] for choice in choices])
    (finish,) = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    return _reply(message, finish, chunks[-1]["usage"])


def _reply(message: dict[str, Any], finish: str, usage: dict[str, Any]) -> Reply:
    calls = [each["function"] for each in message.get("tool_calls") or ()]
    return Reply(
        text=message.get("content") or "",
        refusal=message.get("refusal") or "",
        finish=finish,
        calls=[(each["name"], each["arguments"]) for each in calls],
        message=message,
        usage=usage,
    )


def _message(deltas: list[dict[str, Any]]) -> dict[str, Any]:
    """Fold deltas as clients do: texts are joined, calls by their index, lists are continued."""
    message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
    for delta in deltas:
        for name in ("content", "refusal", "reasoning_content"):
            if delta.get(name):
                message[name] = (message.get(name) or "") + delta[name]
        for each in delta.get("tool_calls") or ():
            _add_call(message["tool_calls"], each)
        if delta.get("thinking_blocks"):
            message.setdefault("thinking_blocks", []).extend(delta["thinking_blocks"])
        if delta.get("extra_content"):
            message["extra_content"] = delta["extra_content"]
    return {name: value for name, value in message.items() if value or name == "content"}


def _add_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    if piece["index"] == len(calls):
        calls.append({**piece, "function": {"name": "", **piece["function"], "arguments": ""}})
    call = calls[piece["index"]]
    call["function"]["arguments"] += piece["function"].get("arguments") or ""


def results_of(reply: Reply) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": "It is sunny there."}
        for call in reply.message["tool_calls"]
    ]


def check_usage(reply: Reply, counts: dict[str, int]) -> None:
    """Insist on the client's own arithmetic of the vendor's bill."""
    usage = reply.usage
    prompt = sum(count for name, count in counts.items() if name != "output")
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (prompt, counts["output"])
    assert usage["total_tokens"] == prompt + counts["output"]
    assert (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0) == counts["cache_read"]


async def both(asking: Asking, up: Up, body: dict[str, Any]) -> tuple[Reply, Reply]:
    """Ask for a document and for a stream, and insist that they say what the vendor says, and cost what it bills."""
    whole = await asking.post(up.alias, body)
    reply = reply_of(whole)
    said = asking.said(up)
    assert not reply.text or said.has(reply.text) or said.has_arguments(reply.text), reply.text
    for name, arguments in reply.calls:
        assert said.has(name)
        assert said.has_arguments(arguments), arguments
    stream = await asking.post(up.alias, streamed(body))
    again = reply_of(stream)
    assert (again.text, again.refusal, again.finish) == (reply.text, reply.refusal, reply.finish)
    assert [(name, json.loads(text or "{}")) for name, text in again.calls] == [
        (name, json.loads(text or "{}")) for name, text in reply.calls
    ]
    for each, bill in zip((reply, again), asking.billed(up, whole, stream), strict=True):
        check_usage(each, bill["counts"])
    return reply, again
