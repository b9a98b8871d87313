"""The operations of Gemini and of Claude on Vertex, on Vertex's paths and the Developer API's; errors as Google's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec
import orjson

from providers.simulator.anthropic.request import read as read_messages
from providers.simulator.anthropic.routes import count, messages
from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.exchange import SSE, Bill, Frame, Request, Response
from providers.simulator.core.prompt_cache import PROMPTS
from providers.simulator.core.replying import reply_to
from providers.simulator.core.streaming import staged
from providers.simulator.gemini.conversation import asked_of, segments
from providers.simulator.gemini.embeddings import embed
from providers.simulator.gemini.request import read
from providers.simulator.gemini.response import Generated, sse
from providers.simulator.gemini.rules import check, is_third

_VERTEX = re.compile(
    r"^/(?P<version>v1|v1beta1)/(projects/[^/]+/locations/[^/]+/)?publishers/(?P<publisher>google|anthropic)/models"
    r"(/(?P<model>[^/:]+)(:(?P<operation>\w+))?)?$"
)
_DEVELOPER = re.compile(r"^/(?P<version>v1beta)/models(/(?P<model>[^/:]+)(:(?P<operation>\w+))?)?$")
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CLAUDE_VERSION = "vertex-2023-10-16"


def handle(request: Request) -> Response:
    """Return the response to one request."""
    try:
        return _handled(request)
    except SimulatorError as refusal:
        return failed(refusal)
    except RecursionError:
        return failed(SimulatorError("The body is nested too deeply."))


def failed(refusal: SimulatorError) -> Response:
    return Response(body=orjson.dumps(envelope(refusal.status, refusal.message)), status=refusal.status)


def envelope(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": _STATUSES.get(status, "INTERNAL")}}


def _handled(request: Request) -> Response:
    found = _VERTEX.match(request.path) or _DEVELOPER.match(request.path)
    if found is None:
        raise SimulatorError(f"Not found: {request.path}", status=404)
    parts = found.groupdict()
    model, operation = unquote(parts["model"] or ""), parts["operation"] or ""
    if request.method == "GET" and not operation:
        shown = {"name": f"publishers/google/models/{model}"}
        return Response(body=orjson.dumps(shown if model else {"publisherModels": [shown]}))
    if parts.get("publisher") == "anthropic":
        return _claude(request, model, operation)
    if operation in {"embedContent", "batchEmbedContents", "predict"}:
        made, tokens = embed(operation, _object(request.body))
        bill = Bill(api="embeddings", model=model, usage={"promptTokenCount": tokens})
        return Response(body=orjson.dumps(made), bill=bill)
    if operation == "countTokens":
        return _count(request)
    if operation in {"generateContent", "streamGenerateContent"}:
        is_vertex = "publisher" in parts
        return _generate(
            request,
            model,
            streams=operation != "generateContent",
            version=parts["version"],
            is_vertex=is_vertex,
        )
    raise SimulatorError(f"Not found: {request.path}", status=404)


def _generate(request: Request, model: str, *, streams: bool, version: str, is_vertex: bool) -> Response:
    given = read(request.body)
    check(given, model, request.account, has_ids=version != "v1")
    asked = asked_of(given, model)
    replies = [reply_to(asked, index) for index in range(given.generationConfig.candidateCount or 1)]
    used = PROMPTS.use(f"{request.account} {model}", segments(given))
    made = Generated(model, request.account, replies, used)
    thinking = given.generationConfig.thinkingConfig
    made.shows = thinking is not None and thinking.includeThoughts
    made.is_signed = is_third(model) or asked.thinks
    made.tier = {"trafficType": "ON_DEMAND"} if is_vertex else {}
    bill = Bill(api="gemini", model=model, usage=made.usage())
    if not streams:
        if asked.scenario.breaks or asked.scenario.is_cut:
            raise SimulatorError("Internal error encountered.", status=500)
        return Response(body=orjson.dumps(made.document()), bill=bill)
    if parse_qs(request.query).get("alt") != ["sse"]:
        return Response(body=_array(made), bill=bill)
    broken = envelope(503, "The model is overloaded. Please try again later.")
    frames = staged((sse(*chunk) for chunk in made.chunks()), lambda: sse(broken, 0), asked.scenario)
    return Response(body=frames, content_type=SSE, bill=bill, pause=asked.scenario.pause)


def _array(made: Generated) -> Iterator[Frame]:
    tokens, before = 0, b"["
    for body, tokens in made.chunks():
        yield Frame(before + orjson.dumps(body), tokens)
        before = b"\n,\r\n"
    yield Frame(b"\n]", tokens)


def _count(request: Request) -> Response:
    body = _object(request.body)
    inner = body.get("generateContentRequest")
    if isinstance(inner, dict):
        if not str(inner.pop("model", "")).startswith("models/"):
            raise SimulatorError("* GenerateContentRequest.model: unexpected model name format")
        body = inner
    given = read(body)
    total = sum(piece.tokens for piece in segments(given))
    details = [{"modality": "TEXT", "tokenCount": total}]
    return Response(body=orjson.dumps({"totalTokens": total, "promptTokensDetails": details}))


def _claude(request: Request, model: str, operation: str) -> Response:
    """Serve a Messages body: errors of the model are Anthropic's own."""
    body = _object(request.body)
    if body.pop("anthropic_version", None) != _CLAUDE_VERSION:
        raise SimulatorError("anthropic_version: Field required")
    betas = body.pop("anthropic_beta", [])
    names = ",".join(betas) if isinstance(betas, list) else str(betas)
    if model == "count-tokens" and operation == "rawPredict":
        return Response(
            body=orjson.dumps({"input_tokens": count(read_messages(body, names), request.account)})
        )
    if operation not in {"rawPredict", "streamRawPredict"}:
        raise SimulatorError(f"Not found: {request.path}", status=404)
    if "model" in body:
        raise SimulatorError("model: Extra inputs are not permitted")
    if any(isinstance(tool, dict) and tool.get("strict") for tool in body.get("tools") or ()):
        raise SimulatorError("tools.0.custom.strict: Extra inputs are not permitted")
    given = read_messages({**body, "model": model}, names or request.headers.get("anthropic-beta", ""))
    if given.stream != (operation == "streamRawPredict"):
        raise SimulatorError("stream: must be true on streamRawPredict only")
    return messages(given, request.account, "")


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise SimulatorError(f"Invalid JSON payload received. {error}") from error
