"""The paths of Anthropic's API, and errors in Anthropic's envelope."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import unquote

import orjson

from providers.simulator.anthropic.conversation import Conversation
from providers.simulator.anthropic.models import KNOWN, described, traits
from providers.simulator.anthropic.request import MessagesRequest, read
from providers.simulator.anthropic.response import BROKEN, ClaudeMessage, Event, sse
from providers.simulator.anthropic.rules import check
from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.exchange import SSE, Bill, Request, Response
from providers.simulator.core.prompt_cache import PROMPTS
from providers.simulator.core.replying import Reply, reply_to
from providers.simulator.core.scenario import Scenario
from providers.simulator.core.streaming import staged

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Answered:
    """One message with what it costs, whichever platform sends it."""

    def __init__(self, given: MessagesRequest, account: str, version: str) -> None:
        """Raises SimulatorError."""
        known = traits(given.model)
        check(given, known, version)
        conversation = Conversation(given, known, account)
        asked = conversation.asked()
        reply = Reply(key="0" * 16, finish="length") if given.max_tokens == 0 else reply_to(asked)
        used = PROMPTS.use(f"{account} {given.model}", conversation.segments)
        self.scenario: Scenario = asked.scenario
        self.message = ClaudeMessage(given, conversation, reply, used, account)
        self.bill = Bill(
            api="messages", model=given.model, usage=self.message.usage(), notes=tuple(conversation.notes)
        )

    def whole(self) -> dict[str, Any]:
        """Raises SimulatorError."""
        if self.scenario.breaks or self.scenario.is_cut:
            raise SimulatorError("Internal server error", status=500)
        return self.message.document()


def handle(request: Request) -> Response:
    """Return the response to one request."""
    name = "req_" + hashlib.blake2b(request.body, digest_size=9).hexdigest()
    try:
        made = _handled(request)
    except SimulatorError as refusal:
        return failed(refusal, name)
    except RecursionError:
        return failed(SimulatorError("The request body is nested too deeply."), name)
    return Response(
        body=made.body,
        content_type=made.content_type,
        headers={"request-id": name},
        bill=made.bill,
        pause=made.pause,
    )


def failed(refusal: SimulatorError, request_id: str = "req_sim") -> Response:
    return Response(
        body=orjson.dumps(envelope(refusal, request_id)),
        status=refusal.status,
        headers={"request-id": request_id},
    )


def envelope(refusal: SimulatorError, request_id: str) -> dict[str, Any]:
    fallback = "api_error" if refusal.status >= 500 else "invalid_request_error"  # noqa: PLR2004 - HTTP
    error = {"type": _TYPES.get(refusal.status, fallback), "message": refusal.message}
    return {"type": "error", "error": error, "request_id": request_id}


def count(given: MessagesRequest, account: str) -> int:
    """Return the tokens of a prompt. Raises SimulatorError."""
    conversation = Conversation(given, traits(given.model), account)
    return sum(segment.tokens for segment in conversation.segments)


def messages(given: MessagesRequest, account: str, version: str) -> Response:
    """Return the message as JSON or as server-sent events. Raises SimulatorError."""
    made = Answered(given, account, version)
    if not given.stream:
        return Response(body=orjson.dumps(made.whole()), bill=made.bill)
    frames = staged(map(sse, made.message.events()), lambda: sse(Event(BROKEN, 0)), made.scenario)
    return Response(body=frames, content_type=SSE, bill=made.bill, pause=made.scenario.pause)


def _handled(request: Request) -> Response:
    method, path = request.method, request.path
    betas = request.headers.get("anthropic-beta", "")
    if path == "/v1/messages" and method == "POST":
        version = request.headers.get("anthropic-version", "2023-06-01")
        return messages(read(request.body, betas), request.account, version)
    if path == "/v1/messages/count_tokens" and method == "POST":
        counted = count(read(request.body, betas), request.account)
        return Response(body=orjson.dumps({"input_tokens": counted}))
    if path.startswith("/v1/models") and method == "GET":
        return Response(body=orjson.dumps(_listed(unquote(path.removeprefix("/v1/models").strip("/")))))
    raise SimulatorError(f"Not found: {method} {path}", status=404)


def _listed(name: str) -> dict[str, Any]:
    if name:
        return described(name)
    ends = {"first_id": KNOWN[0], "last_id": KNOWN[-1]}
    return {"data": [described(model) for model in KNOWN], "has_more": False, **ends}
