"""Calls of POST /v1/responses, written by hand, and what a strict client reads of their responses."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx

from tests.functional.providers.matrix.asked import PLACE, Reply, post
from tests.support.conversation.responses_order import Order, parsed
from tests.support.servers.gateway import Gateway

PATH: Final = "/v1/responses"
TOOLS: Final = [
    {
        "type": "function",
        "name": name,
        "description": f"Reads the {name}.",
        "parameters": PLACE,
        "strict": False,
    }
    for name in ("barometer", "tide")
]
STOPS: Final = {"max_output_tokens": "length", "content_filter": "filter"}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def body(alias: str, *items: Any, **members: Any) -> dict[str, Any]:
    return {"model": alias, "input": list(items), "store": False, "max_output_tokens": 3_000, **members}


async def call(gateway: Gateway, given: Any, **headers: str) -> httpx.Response:
    return await post(
        gateway, PATH, given, {name.replace("_", "-"): value for name, value in headers.items()}
    )


async def ask(gateway: Gateway, alias: str, *items: Any, **members: Any) -> Reply:
    """Call, insist on success and on the form of the response, and read it."""
    answer = await call(gateway, body(alias, *items, **members))
    assert answer.status_code == 200, answer.text
    return read(answer, alias, streams=bool(members.get("stream")))


def read(answer: httpx.Response, alias: str, *, streams: bool) -> Reply:
    kind = answer.headers["content-type"]
    assert kind.startswith("text/event-stream" if streams else "application/json")
    response = _streamed(answer.content) if streams else answer.json()
    assert (response["object"], response["model"]) == ("response", alias)
    assert response["id"].startswith("resp_")
    assert response["status"] in {"completed", "incomplete"}
    output: list[Any] = response["output"]
    reason = (response["incomplete_details"] or {}).get("reason", "")
    calls = [
        (each["call_id"], each["name"], json.loads(each["arguments"]))
        for each in output
        if each["type"] == "function_call"
    ]
    parts = [part for each in output if each["type"] == "message" for part in each["content"]]
    summaries = [part for each in output if each["type"] == "reasoning" for part in each["summary"]]
    return Reply(
        id=answer.headers["x-request-id"],
        text="".join([part["text"] for part in parts if part["type"] == "output_text"]),
        thinking="".join([part["text"] for part in summaries]),
        refusal=any(part["type"] == "refusal" for part in parts) or reason == "content_filter",
        calls=calls,
        stop=STOPS[reason] if reason else "calls" if calls else "stop",
        usage=_disjoint(response["usage"]),
        said=output,
    )


def results(reply: Reply, text: str = "It says so.") -> list[dict[str, Any]]:
    """Return an item with the result of each call."""
    return [{"type": "function_call_output", "call_id": id_, "output": text} for id_, _, _ in reply.calls]


def _disjoint(usage: dict[str, Any]) -> dict[str, int]:
    details = usage["input_tokens_details"]
    read, written = details["cached_tokens"], details.get("cache_write_tokens", 0)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_tokens_details"]["reasoning_tokens"] <= usage["output_tokens"]
    return {
        "input": usage["input_tokens"] - read - written,
        "cache_read": read,
        "cache_write": written,
        "output": usage["output_tokens"],
    }


def _streamed(raw: bytes) -> dict[str, Any]:
    events, order = parsed(raw), Order()
    for number, event in enumerate(events):
        assert event["sequence_number"] == number
        order.take(event)
    assert order.state == "over"
    response: dict[str, Any] = events[-1]["response"]
    return response
