"""The operations of the Responses API: create, retrieve, delete, cancel, input items, input tokens, compact."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import orjson

from providers.simulator.core.counting import json_tokens, segment, text_tokens, value_tokens
from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.exchange import SSE, Bill, Request, Response
from providers.simulator.core.prompt_cache import PROMPTS, CacheUse, Segment
from providers.simulator.core.replying import Reply, reply_to
from providers.simulator.core.signatures import opened, seal
from providers.simulator.core.streaming import staged
from providers.simulator.openai.models import CACHE_STEP
from providers.simulator.openai.response_request import Item, ResponsesRequest, asked_of, read, text_of
from providers.simulator.openai.response_store import STORED
from providers.simulator.openai.response_writer import Events, document, usage

PATH = "/v1/responses"
COMPACT = f"{PATH}/compact"
INPUT_TOKENS = f"{PATH}/input_tokens"


def create(request: Request) -> Response:
    """Raises SimulatorError."""
    given = read(request.body)
    context = _unpacked(
        STORED.context(request.account, given.previous_response_id) + given.items, request.account, given
    )
    asked = asked_of(given, context, request.account)
    reply = reply_to(asked)
    owner = f"{request.account} {given.model} {given.prompt_cache_key or ''}"
    used = PROMPTS.use(owner, _segments(given, context), step=CACHE_STEP)
    finished = document(given, reply, used, request.account, int(time.time()))
    if given.store is not False:
        STORED.keep(request.account, finished, given.items, given.previous_response_id or "")
    bill = Bill(api="responses", model=given.model, usage=finished["usage"])
    if given.stream:
        events = Events(finished, reply)
        frames = staged(events.all(), events.broken, asked.scenario)
        return Response(body=frames, content_type=SSE, bill=bill, pause=asked.scenario.pause)
    if asked.scenario.breaks or asked.scenario.is_cut:
        raise SimulatorError("The server had an error.", status=500, code="server_error")
    shown = {**finished, "status": "queued", "output": [], "usage": None} if given.background else finished
    return Response(body=orjson.dumps(shown), bill=bill)


def stored(request: Request) -> Response:
    """GET, DELETE, cancel and input items of one stored response. Raises SimulatorError."""
    response_id, _, action = request.path.removeprefix(f"{PATH}/").partition("/")
    found = STORED.get(request.account, response_id)
    if request.method == "DELETE" and not action:
        STORED.drop(request.account, response_id)
        return Response(body=orjson.dumps({"id": response_id, "object": "response", "deleted": True}))
    if request.method == "GET" and not action:
        return Response(body=orjson.dumps(found.document))
    if request.method == "POST" and action == "cancel":
        if not found.document["background"]:
            raise SimulatorError("Cannot cancel a synchronous response.")
        cancelled = {**found.document, "status": "cancelled", "output": [], "usage": None}
        STORED.keep(request.account, cancelled, found.items, found.previous)
        return Response(body=orjson.dumps(cancelled))
    if request.method == "GET" and action == "input_items":
        items = [{"id": f"item_{place}", **item} for place, item in enumerate(found.items)]
        ends = (
            {"first_id": items[0]["id"], "last_id": items[-1]["id"]}
            if items
            else {"first_id": None, "last_id": None}
        )
        return Response(body=orjson.dumps({"object": "list", "data": items[::-1], **ends, "has_more": False}))
    raise SimulatorError(f"Invalid URL ({request.method} {request.path})", status=404, code="unknown_url")


def input_tokens(request: Request) -> Response:
    """Count, free of charge. Raises SimulatorError."""
    given = read(request.body)
    context = STORED.context(request.account, given.previous_response_id) + given.items
    total = sum(piece.tokens for piece in _segments(given, context))
    return Response(body=orjson.dumps({"object": "response.input_tokens", "input_tokens": total}))


def compact(request: Request) -> Response:
    """Replace a conversation by one sealed item. Raises SimulatorError."""
    given = read(request.body)
    context = STORED.context(request.account, given.previous_response_id) + given.items
    used = CacheUse(sum(piece.tokens for piece in _segments(given, context)))
    text = " ".join(text_of(item) for item in context)[-2000:]
    packed = seal(request.account, given.model, text)
    key = f"{used.total:016x}"
    reply = Reply(key=key, finish="stop")
    counts = usage(given.model, used, reply)
    users = [item for item in context if item.get("role") == "user"]
    made: dict[str, Any] = {
        "id": f"resp_compact_{key}",
        "object": "response.compaction",
        "created_at": int(time.time()),
        "output": [*users, {"id": f"cmp_{key}", "type": "compaction", "encrypted_content": packed}],
        "usage": counts,
    }
    return Response(body=orjson.dumps(made), bill=Bill(api="responses", model=given.model, usage=counts))


def _unpacked(context: list[Item], account: str, given: ResponsesRequest) -> list[Item]:
    """Check compacted items. Raises SimulatorError."""
    for item in context:
        if (
            item.get("type") == "compaction"
            and opened(str(item.get("encrypted_content")), account, given.model) is None
        ):
            raise SimulatorError(
                "The compaction item could not be verified.", code="invalid_encrypted_content"
            )
    return context


def _segments(given: ResponsesRequest, context: list[Item]) -> list[Segment]:
    """Return the prompt in pieces; OpenAI caches by itself: behind the instructions, and the whole."""
    tools = given.tools or []
    head = segment(
        [tools, given.instructions], json_tokens(tools) + text_tokens(given.instructions or "") + 3, "30m"
    )
    pieces = [head]
    leading = True
    for item in context:
        if leading and item.get("role") not in {"system", "developer"}:
            leading = False
            pieces[-1] = msgspec.structs.replace(pieces[-1], mark="30m")
        shown = {name: value for name, value in item.items() if name not in {"id", "status"}}
        pieces.append(segment(shown, value_tokens(shown) + 1))
    pieces[-1] = msgspec.structs.replace(pieces[-1], mark="30m")
    return pieces
