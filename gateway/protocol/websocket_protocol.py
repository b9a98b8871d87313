"""Uvicorn's websocket protocol, as a connection of this server that counts towards the connection limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import override
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSocket(WebSocketsSansIOProtocol):
    """Uvicorn's, with a callback for its loss: it keeps the place of the connection that it came from."""

    on_lost: Callable[[], None] | None = None

    @override
    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = (
                True  # after a refusal, which uvicorn would log as an error of the application
            )

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self.on_lost is not None:
            self.on_lost()
        super().connection_lost(exc)
