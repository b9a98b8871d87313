"""`manage.py` with two more endpoints, for tests of what an endpoint may declare (gateway/inference/endpoint.py).

- `POST /v1/toy/speech`: JSON in, the bytes of a sound out, of a provider's `/audio/speech`.
- `POST /v1/toy/lines`: text in, of which the first line names the model; lines `SAY "text"` out, and `END` at the end.
  errors are `{"wrong": code, "words": message}`, in a stream `WRONG` and that; `# wait` is its heartbeat.
"""

from __future__ import annotations

import json
import os
from typing import Any

import django
import msgspec
from typing_extensions import override

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup()

import manage  # noqa: E402 - needs the apps
from budgets.admission.demand import Demand  # noqa: E402
from gateway import api  # noqa: E402
from gateway.http.client_api import APIS, ClientApi, Framing  # noqa: E402
from gateway.http.exceptions import BadRequest  # noqa: E402
from gateway.http.response import Response  # noqa: E402
from gateway.inference.endpoint import Endpoint, JsonBody  # noqa: E402
from gateway.inference.pipeline import serve  # noqa: E402
from gateway.parsing.json_body import whole_body  # noqa: E402
from gateway.parsing.parsed_request import ParsedRequest  # noqa: E402
from providers.dialects.base import Shape  # noqa: E402
from providers.dialects.binary import BinaryStream  # noqa: E402
from providers.dialects.choice import FACTORIES, OPENAI  # noqa: E402
from providers.dialects.openai.passthrough import OpenAIToOpenAI  # noqa: E402
from providers.dialects.openai.stream import OpenAIStream  # noqa: E402
from providers.framing.sse import MAX_EVENT, GrantMemory  # noqa: E402
from providers.usage import Usage  # noqa: E402

SPEECH, LINES = "/v1/toy/speech", "/v1/toy/lines"


class SpeechBody(msgspec.Struct):
    model: str
    input: str


def peek_speech(raw: bytes) -> ParsedRequest:
    try:
        asked = msgspec.json.decode(raw, type=SpeechBody)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from None
    demand = Demand(kind="embeddings", body_bytes=len(asked.input.encode()))
    return ParsedRequest(asked.model, Shape(alias=asked.model, path="audio/speech"), demand)


class Speech(OpenAIToOpenAI):
    """A token a character of the text."""

    def __init__(
        self, shape: Shape, grant_memory: GrantMemory | None = None, max_event: int = MAX_EVENT
    ) -> None:
        super().__init__(shape, grant_memory, max_event)
        self._characters = 0

    @override
    def request(self, raw: bytes, *arguments: Any) -> bytes:
        self._characters = len(msgspec.json.decode(raw, type=SpeechBody).input)
        return super().request(raw, *arguments)

    @override
    def stream(self) -> Any:
        return BinaryStream(Usage(input_tokens=self._characters))


class TextBody(msgspec.Struct, frozen=True):
    """A body of plain text."""

    async def read(self, request: Any, context: Any, live: Any) -> bytes:
        tenant_id = context.caller.tenant_id
        return await whole_body(request, context.connection, live, context.body_lease(live), tenant_id)

    async def parse(self, raw: bytes, *_rest: Any) -> ParsedRequest:
        model, _, prompt = raw.decode().partition("\n")
        shape = Shape(alias=model, path="chat/completions", stream=True, include_usage=True)
        return ParsedRequest(model, shape, Demand(body_bytes=len(prompt.encode()), output_cap=50))


class LineStream(OpenAIStream):
    """Turns the events of a provider into lines."""

    @property
    @override
    def final(self) -> bytes:
        return b"END\n"

    @override
    def feed(self, block: bytes) -> bytes:
        events = super().feed(block).split(b"\n\n")
        found = [
            json.loads(event.removeprefix(b"data: ")) for event in events if event.startswith(b"data: {")
        ]
        texts = [choice["delta"].get("content") for event in found for choice in event["choices"]]
        return b"".join(b"SAY %b\n" % json.dumps(text).encode() for text in texts if text)


class Lines(OpenAIToOpenAI):
    """Makes a chat of a text."""

    @override
    def request(self, raw: bytes, *arguments: Any) -> bytes:
        model, _, prompt = raw.decode().partition("\n")
        chat = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
        return super().request(json.dumps(chat | {"max_tokens": 50}).encode(), *arguments)

    @override
    def stream(self) -> OpenAIStream:
        return LineStream(self._shape, self._grant_memory, self._max_event)


TOY = ClientApi(
    "toy",
    lambda error: {"wrong": error.code, "words": error.message},
    Framing(
        [(b"content-type", b"text/x-lines")],
        "text/x-lines",
        b"# wait\n",
        lambda body: b"WRONG " + body + b"\n",
    ),
)
ENDPOINTS = {
    SPEECH: Endpoint(
        name="toy.speech",
        path=SPEECH,
        scope="chat",
        model_type="llm",
        body=JsonBody(peek_speech),
        dialect="toy-speech",
        is_binary=True,
    ),
    LINES: Endpoint(
        name="toy.lines",
        path=LINES,
        scope="chat",
        model_type="llm",
        body=TextBody(),
        api=TOY,
        dialect=TOY.name,
    ),
}


def add() -> None:
    """Add both endpoints to the gateway of this process."""

    def view(endpoint: Endpoint) -> Any:
        async def operation(request: Any) -> Response:
            return await serve(request, endpoint)

        return operation

    for path, endpoint in ENDPOINTS.items():
        api.HOT[path] = view(endpoint)
        if endpoint.api is TOY:
            APIS[path] = TOY
    FACTORIES["toy-speech", OPENAI], FACTORIES[TOY.name, OPENAI] = Speech, Lines


if __name__ == "__main__":
    add()
    manage.main()
