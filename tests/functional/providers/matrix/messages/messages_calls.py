"""Calls of POST /v1/messages, written by hand, and what a strict client reads of their responses."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

from tests.functional.providers.matrix.asked import PLACE, Reply, post
from tests.support.conversation.messages_order import collected, parsed
from tests.support.servers.gateway import Gateway

PATH: Final = "/v1/messages?beta=true"
VERSION: Final = {"anthropic-version": "2023-06-01"}
TOOLS: Final = [
    {"name": name, "description": f"Reads the {name}.", "input_schema": PLACE}
    for name in ("barometer", "tide")
]
STOPS: Final = {"end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"}


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def body(alias: str, *messages: Any, **members: Any) -> dict[str, Any]:
    return {"model": alias, "max_tokens": 3_000, "messages": list(messages), **members}


async def call(gateway: Gateway, given: Any, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await post(gateway, PATH, given, {**VERSION, **named})


async def ask(gateway: Gateway, alias: str, *messages: Any, **members: Any) -> Reply:
    """Call, insist on success and on the form of the response, and read it."""
    answer = await call(gateway, body(alias, *messages, **members))
    assert answer.status_code == 200, answer.text
    return read(answer, alias, streams=bool(members.get("stream")))


def read(answer: httpx.Response, alias: str, *, streams: bool) -> Reply:
    kind = answer.headers["content-type"]
    assert kind.startswith("text/event-stream" if streams else "application/json")
    message = _streamed(answer.content) if streams else answer.json()
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", alias)
    assert message["id"].startswith("msg_")
    assert message["stop_reason"] in STOPS
    blocks: list[Any] = message["content"]
    calls = [(each["id"], each["name"], each["input"]) for each in blocks if each["type"] == "tool_use"]
    usage = message["usage"]
    return Reply(
        id=answer.headers["x-request-id"],
        text="".join([each["text"] for each in blocks if each["type"] == "text"]),
        thinking="".join([each["thinking"] for each in blocks if each["type"] == "thinking"]),
        refusal=message["stop_reason"] == "refusal",
        calls=calls,
        stop=message["stop_reason"],
        usage={
            "input": usage["input_tokens"],
            "cache_read": usage["cache_read_input_tokens"] or 0,
            "cache_write": usage["cache_creation_input_tokens"] or 0,
            "output": usage["output_tokens"],
        },
        said=[{"role": "assistant", "content": blocks}],
    )


def results(reply: Reply, text: str = "It says so.") -> dict[str, Any]:
    """Return the turn with a result for each call."""
    found = [{"type": "tool_result", "tool_use_id": id_, "content": text} for id_, _, _ in reply.calls]
    return user(found)


def _streamed(raw: bytes) -> dict[str, Any]:
    events = parsed(raw)
    start = events[0]["message"]["usage"]
    assert events[-1].keys() <= {"type", "amazon-bedrock-invocationMetrics"}
    message = collected([*events[:-1], {"type": events[-1]["type"]}])
    for block in message["content"]:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block["input"] or "{}")
    return {**message, "usage": {**start, **message["usage"]}}
