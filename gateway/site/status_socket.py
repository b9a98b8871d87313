"""/ws/status: the state of the gateway, pushed once a second to signed-in staff with an open page.

A channels websocket; it sends what /readyz returns to internal clients, never names of tenants or keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import orjson
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path
from typing_extensions import override

from gateway.site.health import readiness
from gateway.values.tasks import spawn

PERIOD_S = 1.0


class StatusSocket(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    """Refuses every visitor who is not staff before accepting the connection."""

    PATHS = frozenset({"/ws/status"})  # all existing websockets
    channel_layer_alias = "none"  # no process sends it messages; what Redis has under its name is not read
    _task: asyncio.Task[None] | None = None

    @classmethod
    def routes(cls) -> list[Any]:
        return [path("ws/status", AuthMiddlewareStack(cls.as_asgi()))]

    @override
    async def connect(self) -> None:
        user = self.scope["user"]
        if not _is_from_here(self.scope["headers"]):
            await self.close(code=4403)
            return
        if not (user.is_authenticated and user.is_staff):
            await self.close(code=4403)
            return
        await self.accept()
        self._task = spawn(self._push())

    @override
    async def disconnect(self, code: int) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _push(self) -> None:
        while True:
            _, body = readiness()
            await self.send(text_data=orjson.dumps(body).decode())
            await asyncio.sleep(PERIOD_S)


def _is_from_here(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """A page of another site may open a websocket with its visitor's cookies; only its Origin shows that."""
    named = {name: value.decode("latin-1").lower() for name, value in headers}
    origin = named.get(b"origin", "")
    return not origin or urlsplit(origin).netloc == named.get(b"host")
