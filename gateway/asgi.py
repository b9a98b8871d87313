"""Entry point of every connection: /v1 goes to the lean handler, probes are answered here, websockets go to channels,
the rest to ordinary Django.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")

import django

django.setup(set_prefix=False)

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402 - needs the apps
from django.conf import settings  # noqa: E402

from gateway import runtime  # noqa: E402
from gateway.api import HOT, auth  # noqa: E402
from gateway.api.handler import V1Handler  # noqa: E402
from gateway.http.cors import Cors  # noqa: E402
from gateway.http.paths import HEALTH_PATHS, is_call, is_careless, is_reachability_check, tidy  # noqa: E402
from gateway.http.request import Receive, Scope, Send  # noqa: E402
from gateway.http.response import HTML, send_head  # noqa: E402
from gateway.server.lifespan import Lifespan  # noqa: E402
from gateway.site import health  # noqa: E402
from gateway.site.body_limit import BodyLimit  # noqa: E402
from gateway.site.page_request import SiteHandler  # noqa: E402
from gateway.site.page_timeout import PageTimeout  # noqa: E402
from gateway.site.status_socket import StatusSocket  # noqa: E402
from gateway.site.without_session import without_session  # noqa: E402

BACK_OFFICE = "/admin/"
METRICS = "/metrics"
OVER_HTTP = frozenset({"/v1/responses"})  # paths that clients also try as a websocket
ORDINARY_V1 = frozenset({"/v1/docs", "/v1/openapi.json"})

django_application: Any = SiteHandler()


class Application:
    """Opens the runtime on the first request if no server has opened it before (runserver on daphne)."""

    def __init__(self) -> None:
        self._v1 = V1Handler("gateway.api.urls", HOT, auth, Cors(settings.GATEWAY.server.cors.origins))
        self._back_office = PageTimeout(django_application, _is_database_late)
        self._websocket = ProtocolTypeRouter({"websocket": URLRouter(StatusSocket.routes())})
        self._opening = asyncio.Lock()
        self._lifespan: Lifespan | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._serve_lifespan(receive, send)
            return
        if not runtime.is_open() and self._lifespan is None and not is_managed():
            await self._open()
        if kind == "websocket":
            known = scope["path"] in StatusSocket.PATHS
            await (self._websocket(scope, receive, send) if known else no_socket(scope, receive, send))
            return
        path = scope["path"]
        if path in HOT:
            await self._v1(scope, receive, send)
            return
        if is_careless(path):
            path = _tidied(scope)
        if is_call(path) and path not in ORDINARY_V1:
            await self._v1(scope, receive, send)
        elif path in HEALTH_PATHS:
            await health.answer(scope, send)
        elif is_reachability_check(scope["method"], path):
            await send_head(send, 200, [HTML])
        else:
            pages = self._back_office if path.startswith(BACK_OFFICE) else django_application
            await BodyLimit(without_session(scope), receive, send).forward(pages)

    async def _open(self) -> None:
        async with self._opening:
            if not runtime.is_open():
                lifespan = Lifespan()
                await lifespan.open()
                self._lifespan = lifespan

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        """Serve lifespan for servers other than `manage.py serve`, which opens and closes by itself."""
        await receive()
        if not runtime.is_open():
            await self._open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._lifespan is not None:
            await self._lifespan.close()
        await send({"type": "lifespan.shutdown.complete"})


async def no_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a handshake for a path without a websocket, or close the connection if the server cannot send a status.

    426 where the same path is served over HTTP: Codex then goes on with HTTP at once, and waits after any other status.
    """
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 4404})
        return
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    is_served = tidy(scope["path"]) in OVER_HTTP
    if is_served:
        headers.append((b"upgrade", b"HTTP/1.1"))  # RFC 9110, 15.5.22
    status = 426 if is_served else 404
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b""})


def _tidied(scope: Scope) -> str:
    """Replace a path with an extra slash by the intended one; pages have their own rules for slashes."""
    path: str = tidy(scope["path"])
    if is_call(path) or path in HEALTH_PATHS or path == METRICS:
        scope["path"] = path
    return str(scope["path"])


def _is_database_late() -> bool:
    return runtime.is_open() and runtime.current().database_monitor.is_late


def is_managed() -> bool:
    """Return whether `manage.py serve` owns opening and closing in this process."""
    return os.environ.get("GATEWAY_MANAGED") == "1"


application = Application()
