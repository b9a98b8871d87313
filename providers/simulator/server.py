"""The built-in provider that needs no account: a small ASGI application with OpenAI's API, and its server.

Deterministic, with true usage, a millisecond or less a response. Reached over HTTP like any provider.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec
import orjson
import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from providers.simulator import audio, chat, chunks, embeddings, images
from providers.simulator.errors import SimulatorError

MAX_BODY = 64 * 1024 * 1024
MODELS = (
    "simulator-chat",
    "simulator-embedding",
    "simulator-image",
    "simulator-speech",
    "simulator-transcription",
)
CREATED = 1_767_225_600  # 2026-01-01, the creation date of every simulated model
KEEP_ALIVE_S = 75


class Reply(msgspec.Struct, frozen=True):
    """A response: complete bytes, or the events of a stream."""

    body: bytes | Iterable[bytes]
    content_type: bytes = b"application/json"
    status: int = 200


Handler: TypeAlias = Callable[[bytes, str], Reply]


def _chat(body: bytes, _content_type: str) -> Reply:
    request = chat.read(body)
    completion = chat.complete(request)
    created = int(time.time())
    if request.stream:
        return Reply(chunks.events(completion, request, created), b"text/event-stream; charset=utf-8")
    return Reply(chunks.document(completion, request, created))


def _embeddings(body: bytes, _content_type: str) -> Reply:
    return Reply(embeddings.embed(body))


def _images(body: bytes, _content_type: str) -> Reply:
    return Reply(images.generate(body))


def _speech(body: bytes, _content_type: str) -> Reply:
    return Reply(*audio.speak(body))


def _transcription(body: bytes, content_type: str) -> Reply:
    return Reply(*audio.transcribe(body, content_type))


def _models(_body: bytes, _content_type: str) -> Reply:
    return Reply(orjson.dumps({"object": "list", "data": [_model(name) for name in MODELS]}))


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
}


def answer(method: str, path: str, body: bytes, content_type: str = "") -> Reply:
    """Return the response to one request; its errors are reported in OpenAI's envelope."""
    try:
        return _handler(method, path)(body, content_type)
    except SimulatorError as refusal:
        return Reply(refusal.envelope(), status=refusal.status)
    except RecursionError:
        return Reply(
            SimulatorError("The JSON body of your request is nested too deeply.").envelope(), status=400
        )


def _handler(method: str, path: str) -> Handler:
    handlers = ROUTES.get(path)
    if handlers is None:
        raise SimulatorError(f"Invalid URL ({method} {path})", status=404, code="unknown_url")
    if method not in handlers:
        raise SimulatorError(f"Not allowed to {method} on {path}.", status=405, code="method_not_supported")
    return handlers[method]


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Serve one ASGI connection; no state is kept between them."""
    if scope["type"] != "http":
        return
    body = await _body(receive)
    if body is None:
        reply = Reply(
            SimulatorError("The body is too large.", code="payload_too_large").envelope(), status=413
        )
    else:
        content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        reply = answer(scope["method"], scope["path"], body, content_type.decode("latin-1"))
    whole = isinstance(reply.body, bytes)
    headers = [(b"content-type", reply.content_type)]
    if isinstance(reply.body, bytes):
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers, "trailers": False})
    for part in [reply.body] if isinstance(reply.body, bytes) else reply.body:
        await send({"type": "http.response.body", "body": part, "more_body": not whole})
    if not whole:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _body(receive: ASGIReceiveCallable) -> bytes | None:
    """Return the request's body, or None if it is longer than allowed."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # the client disconnected; the response is not read
        parts.append(message["body"])
        size += len(message["body"])
        if size > MAX_BODY:
            return None
        if not message["more_body"]:
            return b"".join(parts)


class Simulator:
    """The application on a free loopback port, served by the running event loop."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen, and return the port. Raises OSError when the port is taken."""
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except OSError:
            listener.close()
            raise
        config = uvicorn.Config(
            application,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=2,
        )
        config.load()
        # Started step by step instead of by serve(), which would take the process's signal handlers.
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        self._server, self._socket = server, listener
        return int(listener.getsockname()[1])

    async def aclose(self) -> None:
        """Stop listening and end open connections."""
        server, listener = self._server, self._socket
        self._server = self._socket = None
        if server is not None and listener is not None:
            await server.shutdown(sockets=[listener])
