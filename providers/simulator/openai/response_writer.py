"""A response of `POST /v1/responses`: the document, and the named events that build it up. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import orjson

from providers.simulator.core.exchange import Frame
from providers.simulator.core.prompt_cache import CacheUse
from providers.simulator.core.replying import MadeCall, Reply
from providers.simulator.core.signatures import seal
from providers.simulator.core.text import Text, tokens_of_piece
from providers.simulator.openai.models import reports_writes
from providers.simulator.openai.response_request import ResponsesRequest

Item = dict[str, Any]
_NUMBERS = itertools.count(1)  # two equal requests make two responses
_INCOMPLETE = {"length": "max_output_tokens", "filter": "content_filter"}


def document(
    request: ResponsesRequest, reply: Reply, used: CacheUse, account: str, created: int
) -> dict[str, Any]:
    """Return the finished response."""
    reason = _INCOMPLETE.get(reply.finish)
    return {
        "id": f"resp_{reply.key}{next(_NUMBERS):08x}",
        "object": "response",
        "created_at": created,
        "status": "incomplete" if reason else "completed",
        "background": bool(request.background),
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "model": request.model,
        "output": _items(request, reply, account),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "reasoning": {"effort": request.effort, "summary": (request.reasoning or {}).get("summary")},
        "service_tier": "default",
        "store": request.store is not False,
        "temperature": request.temperature if request.temperature is not None else 1.0,
        "text": request.text or {"format": {"type": "text"}},
        "tool_choice": request.tool_choice or "auto",
        "tools": request.tools or [],
        "top_p": request.top_p if request.top_p is not None else 1.0,
        "truncation": request.truncation or "disabled",
        "usage": usage(request.model, used, reply),
        "user": request.user,
    }


def usage(model: str, used: CacheUse, reply: Reply) -> dict[str, Any]:
    details: dict[str, Any] = {"cached_tokens": used.read}
    if reports_writes(model):
        details["cache_write_tokens"] = used.writes
        details["cache_write_tokens_details"] = {"ttl_30m_tokens": used.writes, "ttl_12h_tokens": 0}
    return {
        "input_tokens": used.total,
        "input_tokens_details": details,
        "output_tokens": reply.tokens,
        "output_tokens_details": {"reasoning_tokens": reply.thinking.tokens},
        "total_tokens": used.total + reply.tokens,
    }


def _items(request: ResponsesRequest, reply: Reply, account: str) -> list[Item]:
    items: list[Item] = []
    if reply.thinking.pieces:
        items.append(_reasoning(request, reply, account))
    if reply.text.pieces or not reply.calls:
        status = "incomplete" if reply.text.cut or reply.finish == "filter" else "completed"
        if reply.text.pieces or status == "completed":
            items.append(
                {
                    "id": f"msg_{reply.key}",
                    "type": "message",
                    "status": status,
                    "role": "assistant",
                    "content": [_part(reply)],
                }
            )
    return items + [_call(call) for call in reply.calls]


def _reasoning(request: ResponsesRequest, reply: Reply, account: str) -> Item:
    shows = (request.reasoning or {}).get("summary") is not None
    text = reply.thinking.whole
    item: Item = {
        "id": f"rs_{reply.key}",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text}] if shows else [],
    }
    if "reasoning.encrypted_content" in (request.include or ()):
        item["encrypted_content"] = seal(account, request.model, text)
    return item


def _part(reply: Reply) -> Item:
    if reply.finish == "refusal":
        return {"type": "refusal", "refusal": reply.text.whole}
    return {"type": "output_text", "text": reply.text.whole, "annotations": [], "logprobs": []}


def _call(call: MadeCall) -> Item:
    status = "incomplete" if call.arguments.cut else "completed"
    shared = {"call_id": f"call_{call.key}", "name": call.name, "status": status}
    if call.is_text:
        return {"id": f"ctc_{call.key}", "type": "custom_tool_call", **shared, "input": call.arguments.whole}
    return {"id": f"fc_{call.key}", "type": "function_call", **shared, "arguments": call.arguments.whole}


class Events:
    """The events of one response in their order, numbered."""

    def __init__(self, finished: dict[str, Any], reply: Reply) -> None:
        self._finished, self._reply = finished, reply
        self._number = self._produced = 0

    def all(self) -> Iterator[Frame]:
        started = {
            **self._finished,
            "status": "in_progress",
            "incomplete_details": None,
            "output": [],
            "usage": None,
        }
        yield self._event("response.created", response=started)
        yield self._event("response.in_progress", response=started)
        for index, item in enumerate(self._finished["output"]):
            yield from self._item(index, item)
        yield self._event(f"response.{self._finished['status']}", response=self._finished)

    def broken(self) -> Frame:
        """Return the event that reports an error in the middle of a stream."""
        return self._event("error", code="server_error", message="The server had an error.", param=None)

    def _event(self, kind: str, **fields: Any) -> Frame:
        body = orjson.dumps({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return Frame(b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n", self._produced)

    def _item(self, index: int, item: Item) -> Iterator[Frame]:
        at = {"item_id": item["id"], "output_index": index}
        empty = {"summary": [], "content": [], "arguments": "", "input": ""}
        begun = {**item, **{name: value for name, value in empty.items() if name in item}}
        if "status" in item:
            begun["status"] = "in_progress"
        yield self._event("response.output_item.added", output_index=index, item=begun)
        if item["type"] == "reasoning":
            yield from self._summary(at, item)
        elif item["type"] == "message":
            yield from self._message(at, item["content"][0])
        else:
            call = next(call for call in self._reply.calls if item["call_id"] == f"call_{call.key}")
            kind, member = (
                ("custom_tool_call_input", "input")
                if call.is_text
                else ("function_call_arguments", "arguments")
            )
            self._produced += tokens_of_piece(call.name)
            yield from self._pieces(f"response.{kind}.delta", call.arguments, at)
            yield self._event(f"response.{kind}.done", **at, **{member: item[member]})
        yield self._event("response.output_item.done", output_index=index, item=item)

    def _pieces(self, kind: str, text: Text, at: dict[str, Any]) -> Iterator[Frame]:
        for piece in text.pieces:
            self._produced += tokens_of_piece(piece)
            yield self._event(kind, **at, delta=piece)

    def _summary(self, at: dict[str, Any], item: Item) -> Iterator[Frame]:
        if not item["summary"]:
            self._produced += self._reply.thinking.tokens
            return
        at = {**at, "summary_index": 0}
        part = item["summary"][0]
        yield self._event("response.reasoning_summary_part.added", **at, part={**part, "text": ""})
        yield from self._pieces("response.reasoning_summary_text.delta", self._reply.thinking, at)
        yield self._event("response.reasoning_summary_text.done", **at, text=part["text"])
        yield self._event("response.reasoning_summary_part.done", **at, part=part)

    def _message(self, at: dict[str, Any], part: Item) -> Iterator[Frame]:
        at = {**at, "content_index": 0}
        member = "refusal" if part["type"] == "refusal" else "text"
        kind = "response.refusal" if member == "refusal" else "response.output_text"
        more: dict[str, Any] = {} if member == "refusal" else {"logprobs": []}
        yield self._event("response.content_part.added", **at, part={**part, member: ""})
        for piece in self._reply.text.pieces:
            self._produced += tokens_of_piece(piece)
            yield self._event(f"{kind}.delta", **at, delta=piece, **more)
        yield self._event(f"{kind}.done", **at, **{member: part[member]}, **more)
        yield self._event("response.content_part.done", **at, part=part)
