"""The built-in provider that needs no account: a small ASGI application with the APIs of the vendors, and its server.

Deterministic, with true usage, a millisecond or less a response. Reached over HTTP like any provider. docs/simulator.md
"""

from __future__ import annotations

import asyncio
import socket

import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.exchange import Frame, Request, Response, key_of
from providers.simulator.routes import handle

MAX_BODY = 64 * 1024 * 1024
KEEP_ALIVE_S = 75


def answer(method: str, path: str, body: bytes, content_type: str = "") -> Response:
    """Return the response to one request without credentials."""
    return handle(Request(method=method, path=path, body=body, headers={"content-type": content_type}))


async def application(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Serve one ASGI connection."""
    if scope["type"] != "http":
        return
    body = await _body(receive)
    if body is None:
        refusal = SimulatorError("The body is too large.", code="payload_too_large")
        response = Response(body=refusal.envelope(), status=413)
    else:
        response = handle(_request(scope, body))
    headers = [(b"content-type", response.content_type)]
    headers += [(name.encode(), value.encode("latin-1")) for name, value in response.headers.items()]
    frames = response.body
    if isinstance(frames, bytes):
        headers.append((b"content-length", str(len(frames)).encode()))
        frames = [Frame(frames, 0)]
    await send(
        {"type": "http.response.start", "status": response.status, "headers": headers, "trailers": False}
    )
    for frame in frames:
        await send({"type": "http.response.body", "body": frame.data, "more_body": True})
        if response.pause:
            await asyncio.sleep(response.pause)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _request(scope: HTTPScope, body: bytes) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        account=key_of(headers),
    )


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
