"""The APIs that each vendor has at its own address: paths, the model of a request, errors in the vendor's form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

import msgspec
import orjson

from providers.simulator.anthropic import routes as anthropic
from providers.simulator.anthropic.response import BROKEN, Event, sse
from providers.simulator.bedrock import routes as bedrock
from providers.simulator.bedrock.event_stream import exception
from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.exchange import Bill, Frame, Response
from providers.simulator.core.exchange import Request as Asked
from providers.simulator.core.text import tokens_of
from providers.simulator.core.vectors import text_vector
from providers.simulator.gemini import routes as gemini
from providers.simulator.openai import chunks
from providers.simulator.openai import routes as openai

_IN_PATH = re.compile(r"(?:/model/|/models/|/deployments/)([^/:?]+)")
_AZURE_CLASSIC = re.compile(r"^/openai/(?:deployments/(?P<deployment>[^/]+)/)?(?P<rest>.+)$")
_WITHOUT_DEPLOYMENT = ("responses", "models")  # of the classic paths; their model is in the body
_OPENAPI = re.compile(r"^/v1(beta1)?/projects/[^/]+/locations/[^/]+/endpoints/openapi/(?P<rest>.+)$")
_FEATURES = re.compile(r"^/hf-inference/models/(?P<model>.+)/pipeline/feature-extraction$")
_FILTERS: dict[str, Any] = {
    "choices": [],
    "created": 0,
    "id": "",
    "model": "",
    "object": "",
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
}


def model_of(asked: Asked) -> str:
    """Return the model that a request names: in its path, else in its body; "" if it names none."""
    found = _IN_PATH.search(asked.path)
    if found is not None and found.group(1) != "count-tokens":
        return unquote(found.group(1))
    try:
        body = json.loads(asked.body)
    except ValueError:
        return ""
    return str(body.get("model", "")) if isinstance(body, dict) else ""


def respond(vendor: str, asked: Asked) -> Response:
    """Return the vendor's response to a request of a known account."""
    return {
        "openai": openai.handle,
        "anthropic": anthropic.handle,
        "azure": _azure,
        "bedrock": _bedrock,
        "vertex": _vertex,
        "huggingface": _hugging_face,
    }[vendor](asked)


def failed(vendor: str, path: str, refusal: SimulatorError) -> Response:
    """Return an error in the vendor's form."""
    if vendor == "bedrock":
        return bedrock.failed(refusal)
    if vendor == "vertex":
        return gemini.failed(refusal)
    is_messages = vendor == "anthropic" or path.startswith("/anthropic/")
    return anthropic.failed(refusal) if is_messages else openai.failed(refusal)


def broken(vendor: str, bill: Bill | None) -> bytes:
    """Return the event that reports an error in the middle of a stream."""
    if vendor == "bedrock":
        return exception("modelStreamErrorException", "The model could not finish its response.")
    api = bill.api if bill is not None else ""
    if api == "messages":
        return sse(Event(BROKEN, 0)).data
    if api == "gemini":
        return b"data: " + orjson.dumps(gemini.envelope(503, "The model is overloaded.")) + b"\r\n\r\n"
    if api == "responses":
        said = {
            "type": "error",
            "code": "server_error",
            "message": "Scripted.",
            "param": None,
            "sequence_number": 99,
        }
        return b"event: error\ndata: " + orjson.dumps(said) + b"\n\n"
    return chunks.broken()


def _at(asked: Asked, path: str, body: bytes | None = None) -> Asked:
    return msgspec.structs.replace(asked, path=path, body=asked.body if body is None else body)


def _azure(asked: Asked) -> Response:
    if asked.path.startswith("/anthropic/"):
        return anthropic.handle(_at(asked, asked.path.removeprefix("/anthropic")))
    if asked.path.startswith("/openai/v1/"):
        return _with_filters(openai.handle(_at(asked, asked.path.removeprefix("/openai"))))
    found = _AZURE_CLASSIC.match(asked.path)
    if found is None or (found["deployment"] is None) != found["rest"].startswith(_WITHOUT_DEPLOYMENT):
        return openai.failed(SimulatorError("Resource not found", status=404, code="404"))
    body = None
    if found["deployment"] is not None:
        try:
            body = orjson.dumps({**orjson.loads(asked.body), "model": unquote(found["deployment"])})
        except orjson.JSONDecodeError:
            body = None
    return _with_filters(openai.handle(_at(asked, f"/v1/{found['rest']}", body)))


def _with_filters(response: Response) -> Response:
    """Azure sends what its filter found in the prompt first."""
    is_chat = response.bill is not None and response.bill.api == "chat"
    if isinstance(response.body, bytes) or not is_chat:
        return response
    return msgspec.structs.replace(response, body=_filtered(response.body))


def _filtered(frames: Iterable[Frame]) -> Iterator[Frame]:
    yield Frame(b"data: " + orjson.dumps(_FILTERS) + b"\n\n", 0)
    yield from frames


def _bedrock(asked: Asked) -> Response:
    if asked.method == "GET" and asked.path.startswith(("/foundation-models/", "/inference-profiles/")):
        return Response(body=orjson.dumps({"modelDetails": {"modelId": unquote(asked.path.split("/")[2])}}))
    return bedrock.handle(asked)


def _vertex(asked: Asked) -> Response:
    if found := _OPENAPI.match(asked.path):
        return openai.handle(_at(asked, f"/v1/{found['rest']}"))
    return gemini.handle(asked)


def _hugging_face(asked: Asked) -> Response:
    if asked.path == "/api/whoami-v2":
        return Response(body=orjson.dumps({"type": "user", "name": asked.account}))
    if found := _FEATURES.match(asked.path):
        return _features(asked, found["model"])
    if asked.path == "/v1/messages":
        return anthropic.handle(asked)
    if asked.method == "POST" and not asked.body.lstrip().startswith(b'{"model"'):
        return openai.failed(
            SimulatorError("The router reads a short prefix: put 'model' first.", param="model")
        )
    return openai.handle(asked)


def _features(asked: Asked, model: str) -> Response:
    given = orjson.loads(asked.body)["inputs"]
    texts = [given] if isinstance(given, str) else given
    vectors = [text_vector(text, 384) for text in texts]
    bill = Bill(api="embeddings", model=model, usage={"prompt_tokens": sum(map(tokens_of, texts))})
    return Response(body=orjson.dumps(vectors), bill=bill)
