"""Which paths are served where: with `server.admin_addr`, /v1 has one listener, and everything else has another.

The public one serves /v1 with its API page, and the health checks (/healthz, /readyz): strangers have no access there
to the sign-in, the portal and the back office. A path that a listener does not serve is 404 there, like a path that
does not exist, and costs no more than that. Without the setting everything has one listener.
"""

from __future__ import annotations

import socket
from typing import Literal, NamedTuple

from gateway.http.client_api import ErrorFields
from gateway.http.errors import INVALID, error_response, response_for
from gateway.http.exceptions import NotFound
from gateway.http.paths import HEALTH_PATHS, NOT_FOUND, is_call, is_reachability_check, tidy
from gateway.http.request import Application, Receive, Scope, Send
from gateway.http.response import Response, send_whole

Serves = Literal["everything", "calls", "back office"]

_OF_THE_API_PAGE = "/static/ninja/"


class ServedListener(NamedTuple):
    """A listening socket and what is served there."""

    listener: socket.socket
    serves: Serves = "everything"


def is_served(serves: Serves, path: str) -> bool:
    """Return whether the listener serves a path."""
    if serves == "everything":
        return True
    path = tidy(path)
    if path in HEALTH_PATHS:
        return True
    if serves == "calls":
        return is_call(path) or path.startswith(_OF_THE_API_PAGE)
    return not is_call(path)


def restricted(serves: Serves, application: Application, no_socket: Application) -> Application:
    """Return the application restricted to a listener's paths; `no_socket` responds to websockets at other paths."""
    if serves == "everything":
        return application

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if is_served(serves, scope["path"]) or is_reachability_check(scope.get("method", ""), scope["path"]):
            await application(scope, receive, send)
        elif scope["type"] == "websocket":
            await no_socket(scope, receive, send)
        else:
            answer = _refusal(serves, scope["path"])
            await send_whole(send, answer.status_code, answer.pairs, answer.body)

    return serve


def _refusal(serves: Serves, path: str) -> Response:
    if serves == "calls":
        return response_for(NotFound(path))
    return error_response(404, ErrorFields(NOT_FOUND, INVALID, "There is nothing at this path."))
