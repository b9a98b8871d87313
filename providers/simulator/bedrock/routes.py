"""The operations of Bedrock's runtime on one model, and errors as Bedrock sends them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import msgspec
import orjson

from providers.simulator.anthropic.request import MessagesRequest
from providers.simulator.anthropic.request import read as read_messages
from providers.simulator.anthropic.response import ClaudeMessage
from providers.simulator.anthropic.routes import Answered, count
from providers.simulator.bedrock.conversation import Conversation
from providers.simulator.bedrock.embeddings import embed, is_embedding
from providers.simulator.bedrock.event_stream import event, exception
from providers.simulator.bedrock.request import read
from providers.simulator.bedrock.response import Converse
from providers.simulator.bedrock.rules import check
from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.exchange import EVENT_STREAM, Bill, Frame, Request, Response
from providers.simulator.core.prompt_cache import PROMPTS
from providers.simulator.core.replying import reply_to
from providers.simulator.core.streaming import staged

_NAMES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
_VERSIONS = {"bedrock-2023-05-31", "2026-10-21"}
_GEO = re.compile(r"^(us|eu|apac|jp|au|global)\.")
_BROKEN = Frame(exception("modelStreamErrorException", "The model could not finish its response."), 0)


def handle(request: Request) -> Response:
    """Return the response to one request."""
    try:
        return _handled(request)
    except SimulatorError as refusal:
        return failed(refusal)
    except RecursionError:
        return failed(SimulatorError("The body is nested too deeply."))


def failed(refusal: SimulatorError) -> Response:
    name = refusal.code or _NAMES.get(refusal.status, "InternalServerException")
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/", "x-amzn-requestid": "sim"}
    return Response(body=orjson.dumps({"message": refusal.message}), status=refusal.status, headers=headers)


def _handled(request: Request) -> Response:
    _, _, name, operation = [*request.path.split("/", 3), ""][:4]
    model = unquote(name)
    if request.method != "POST":
        raise SimulatorError("Unknown operation", status=404, code="UnknownOperationException")
    match operation:
        case "converse" | "converse-stream":
            return _converse(request, model, streams=operation == "converse-stream")
        case "invoke" | "invoke-with-response-stream":
            return _invoke(request, model, streams=operation != "invoke")
        case "count-tokens":
            return _count(request, model)
    raise SimulatorError("Unknown operation", status=404, code="UnknownOperationException")


def _converse(request: Request, model: str, *, streams: bool) -> Response:
    given = read(request.body)
    check(given, model)
    conversation = Conversation(given, model, request.account)
    asked = conversation.asked()
    reply = reply_to(asked)
    used = PROMPTS.use(f"{request.account} {model}", conversation.segments)
    made = Converse(model, request.account, conversation, reply, used)
    bill = Bill(api="converse", model=model, usage=made.usage(), notes=tuple(conversation.notes))
    if streams:
        frames = staged(made.frames(), lambda: _BROKEN, asked.scenario)
        return Response(body=frames, content_type=EVENT_STREAM, bill=bill, pause=asked.scenario.pause)
    if asked.scenario.breaks or asked.scenario.is_cut:
        raise SimulatorError("The model could not finish its response.", status=424)
    return Response(body=orjson.dumps(made.document()), bill=bill, headers={"x-amzn-requestid": "sim"})


def _invoke(request: Request, model: str, *, streams: bool) -> Response:
    body = _object(request.body)
    if is_embedding(model):
        made, tokens = embed(model, body)
        bill = Bill(api="embeddings", model=model, usage={"inputTokens": tokens})
        headers = {"x-amzn-bedrock-input-token-count": str(tokens)}
        return Response(body=orjson.dumps(made), headers=headers, bill=bill)
    answered = Answered(claude_body(body, model), request.account, str(body["anthropic_version"]))
    if not streams:
        return Response(body=orjson.dumps(answered.whole()), bill=answered.bill)
    frames = staged(_chunks(answered.message), lambda: _BROKEN, answered.scenario)
    return Response(body=frames, content_type=EVENT_STREAM, bill=answered.bill, pause=answered.scenario.pause)


def claude_body(body: dict[str, Any], model: str) -> MessagesRequest:
    """Return a Messages request of an InvokeModel body. Raises SimulatorError."""
    version, betas = body.get("anthropic_version"), body.get("anthropic_beta", [])
    if version not in _VERSIONS:
        raise SimulatorError("anthropic_version: Field required")
    for name in ("model", "stream"):
        if name in body:
            raise SimulatorError(f"{name}: Extra inputs are not permitted")
    rest = {
        name: value for name, value in body.items() if name not in {"anthropic_version", "anthropic_beta"}
    }
    return read_messages({**rest, "model": model}, ",".join(betas))


def _chunks(message: ClaudeMessage) -> Iterator[Frame]:
    usage = message.usage()
    for each in message.events():
        body = each.body
        if body["type"] == "message_stop":
            metrics = {
                "inputTokenCount": usage["input_tokens"],
                "outputTokenCount": usage["output_tokens"],
                "cacheReadInputTokenCount": usage["cache_read_input_tokens"],
                "cacheWriteInputTokenCount": usage["cache_creation_input_tokens"],
                "invocationLatency": 12,
                "firstByteLatency": 2,
            }
            body = {**body, "amazon-bedrock-invocationMetrics": metrics}
        packed = base64.b64encode(orjson.dumps(body)).decode()
        yield Frame(event("chunk", {"bytes": packed, "p": "abcdefgh"[: 1 + each.tokens % 8]}), each.tokens)


def _count(request: Request, model: str) -> Response:
    if _GEO.match(model):
        raise SimulatorError("The provided model identifier is invalid.")
    given = _object(request.body).get("input")
    if not isinstance(given, dict) or len(given.keys() & {"converse", "invokeModel"}) != 1:
        raise SimulatorError("input: exactly one of converse and invokeModel is required")
    if "converse" in given:
        made = read(given["converse"])
        total = sum(piece.tokens for piece in Conversation(made, model, request.account).segments)
    else:
        try:
            raw = base64.b64decode(str(given["invokeModel"]["body"]), validate=True)
        except (binascii.Error, KeyError, TypeError) as error:
            raise SimulatorError("input.invokeModel.body: base64 is required") from error
        total = count(claude_body({"max_tokens": 1, **_object(raw)}, model), request.account)
    return Response(body=orjson.dumps({"inputTokens": total}))


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise SimulatorError(f"Malformed input request: {error}") from error
