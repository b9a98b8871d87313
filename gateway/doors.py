"""Who is let in where: with `server.admin_addr`, calls have one listener, and everything that is not /v1 has another.

The public one serves /v1 with its API page, and says whether it lives (/healthz, /readyz): what strangers do at the
sign-in, the portal and the back office happens elsewhere. What a listener does not serve is 404 there, like a path that
does not exist, and costs no more than that. Without the setting everything has one listener.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

import orjson

from gateway import health
from gateway.paths import NOT_FOUND, explain, is_call, tidy
from gateway.request import Receive, Scope, Send

Serves = Literal["everything", "calls", "back office"]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_OF_THE_API_PAGE = "/static/ninja/"
_NOT_HERE = NOT_FOUND, "There is nothing at this path."


class Door(NamedTuple):
    """A listening socket and what is served there."""

    listener: socket.socket
    serves: Serves = "everything"


def is_served(serves: Serves, path: str) -> bool:
    """Tell whether there is anything at a path, as far as the listener says."""
    if serves == "everything":
        return True
    path = tidy(path)
    if path in health.PATHS:
        return True
    if serves == "calls":
        return is_call(path) or path.startswith(_OF_THE_API_PAGE)
    return not is_call(path)


def behind(serves: Serves, application: Application, no_socket: Application) -> Application:
    """Return the application as it is seen through a door; `no_socket` answers websockets to nowhere."""
    if serves == "everything":
        return application

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if is_served(serves, scope["path"]):
            await application(scope, receive, send)
        elif scope["type"] == "websocket":
            await no_socket(scope, receive, send)
        else:
            await _nowhere(send, *(explain(scope["path"]) if serves == "calls" else _NOT_HERE))

    return serve


async def _nowhere(send: Send, code: str, words: str) -> None:
    error = {"message": words, "type": "invalid_request_error", "param": None, "code": code}
    body = orjson.dumps({"error": error})
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
