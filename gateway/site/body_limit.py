"""Request bodies of the ordinary site: bounded in size and time before Django writes any client's body to disk."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from gateway.http.request import Application, Receive, Scope, Send
from gateway.http.response import send_whole

BODY_S = 30.0
MAX_BODY = 5 * 1024 * 1024  # forms of the back office are a few kilobytes

Message = MutableMapping[str, Any]


class BodyLimit:
    """One request: passes an acceptable body to `application`, and responds 413 or 408 when it stops being so."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._size = 0
        self._is_whole = self._has_begun = False
        self._refusal = 0
        self._ends = asyncio.get_running_loop().time() + BODY_S

    async def forward(self, application: Application) -> None:
        declared = next((value for name, value in self._scope["headers"] if name == b"content-length"), b"")
        if declared.isdigit() and int(declared) > MAX_BODY:
            self._refusal = 413
        else:
            await application(self._scope, self._next, self._pass)
        if self._refusal and not self._has_begun:
            await send_whole(self._send, self._refusal, [(b"connection", b"close")], b"")

    async def _next(self) -> Message:
        if self._is_whole:
            return await self._receive()  # waits for the client to disconnect
        try:
            async with asyncio.timeout_at(self._ends):
                message = await self._receive()
        except TimeoutError:
            return self._refuse(408)
        self._size += len(message.get("body", b""))
        if self._size > MAX_BODY:
            return self._refuse(413)
        self._is_whole = not message.get("more_body", False)
        return message

    def _refuse(self, status: int) -> Message:
        self._refusal = status
        return {"type": "http.disconnect"}  # Django gives up without a message

    async def _pass(self, message: Message) -> None:
        self._has_begun = True
        await self._send(message)
