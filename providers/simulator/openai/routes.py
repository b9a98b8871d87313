"""The paths of OpenAI's API and what serves them; errors in OpenAI's envelope."""

from __future__ import annotations

import time

import orjson

from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.exchange import SSE, Bill, Frame, Handler, Request, Response
from providers.simulator.core.streaming import staged
from providers.simulator.openai import audio, chat, chunks, embeddings, images, responses

MODELS = (
    "simulator-chat",
    "simulator-embedding",
    "simulator-image",
    "simulator-speech",
    "simulator-transcription",
)
CREATED = 1_767_225_600  # 2026-01-01, the creation date of every simulated model


def _chat(request: Request) -> Response:
    given = chat.read(request.body)
    completion = chat.complete(given, request.account)
    created, scenario = int(time.time()), completion.scenario
    bill = Bill(api="chat", model=given.model, usage=completion.usage())
    if given.stream:
        frames = staged(
            chunks.events(completion, given, created), lambda: Frame(chunks.broken(), 0), scenario
        )
        return Response(body=frames, content_type=SSE, bill=bill, pause=scenario.pause)
    if scenario.breaks or scenario.is_cut:
        raise SimulatorError("The server had an error.", status=500, code="server_error")
    return Response(body=chunks.document(completion, given, created), bill=bill)


def _embeddings(request: Request) -> Response:
    body = embeddings.embed(request.body)
    made = orjson.loads(body)
    return Response(body=body, bill=Bill(api="embeddings", model=made["model"], usage=made["usage"]))


def _images(request: Request) -> Response:
    return Response(body=images.generate(request.body))


def _speech(request: Request) -> Response:
    body, content_type = audio.speak(request.body)
    return Response(body=body, content_type=content_type)


def _transcription(request: Request) -> Response:
    body, content_type = audio.transcribe(request.body, request.headers.get("content-type", ""))
    return Response(body=body, content_type=content_type)


def _models(_request: Request) -> Response:
    return Response(body=orjson.dumps({"object": "list", "data": [_model(name) for name in MODELS]}))


def _one_model(request: Request) -> Response:
    return Response(body=orjson.dumps(_model(request.path.removeprefix("/v1/models/"))))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulator"}


ROUTES: dict[str, dict[str, Handler]] = {
    "/v1/chat/completions": {"POST": _chat},
    "/v1/embeddings": {"POST": _embeddings},
    "/v1/images/generations": {"POST": _images},
    "/v1/audio/speech": {"POST": _speech},
    "/v1/audio/transcriptions": {"POST": _transcription},
    "/v1/audio/translations": {"POST": _transcription},
    "/v1/models": {"GET": _models},
    responses.PATH: {"POST": responses.create},
    responses.COMPACT: {"POST": responses.compact},
    responses.INPUT_TOKENS: {"POST": responses.input_tokens},
}
_BELOW: dict[str, Handler] = {"/v1/models/": _one_model, f"{responses.PATH}/": responses.stored}


def handle(request: Request) -> Response:
    """Return the response to one request; its errors are reported in OpenAI's envelope."""
    try:
        return _handler(request)(request)
    except SimulatorError as refusal:
        return failed(refusal)
    except RecursionError:
        return failed(SimulatorError("The JSON body of your request is nested too deeply."))


def failed(refusal: SimulatorError) -> Response:
    return Response(body=refusal.envelope(), status=refusal.status)


def _handler(request: Request) -> Handler:
    method, path = request.method, request.path
    handlers = ROUTES.get(path)
    if handlers is None:
        for start, handler in _BELOW.items():
            if path.startswith(start):
                return handler
        raise SimulatorError(f"Invalid URL ({method} {path})", status=404, code="unknown_url")
    if method not in handlers:
        raise SimulatorError(f"Not allowed to {method} on {path}.", status=405, code="method_not_supported")
    return handlers[method]
