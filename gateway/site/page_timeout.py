"""The back office while the database is late: a response within three seconds, if only the page that reports it.

A thread that waits for the database cannot be ended. It ends with its query, and its result is discarded; while the
database is late no further page queries it, so there are only as many such threads as there were pages at the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from django.template.loader import render_to_string

from gateway.http.request import Application, Receive, Scope, Send
from gateway.http.response import send_whole
from gateway.site.security_headers import STRICT
from gateway.site.views import RETRY_AFTER_S

PATIENCE_S = 2.5
LOOK_AGAIN_S = 0.25


class PageTimeout:
    """Wraps the application that renders pages from the database. `is_late` returns whether the database is late."""

    def __init__(self, application: Application, is_late: Callable[[], bool]) -> None:
        self._application, self._is_late = application, is_late
        self._abandoned: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_late():
            await _refuse(send)
            return
        sender = MutableSend(send)
        page = asyncio.ensure_future(self._application(scope, receive, sender.send))
        try:
            await asyncio.wait({page}, timeout=PATIENCE_S)
            while not (page.done() or sender.has_begun or self._is_late()):
                await asyncio.wait({page}, timeout=LOOK_AGAIN_S)
            if page.done() or sender.has_begun:
                await page
                return
        except asyncio.CancelledError:
            page.cancel()
            raise
        sender.is_muted = True
        self._abandoned.add(page)
        page.add_done_callback(self._forget)
        await _refuse(send)

    def _forget(self, page: asyncio.Task[None]) -> None:
        self._abandoned.discard(page)
        if not page.cancelled():
            page.exception()  # Django has logged it


class MutableSend:
    """The `send` of one page, until it is muted."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = self.is_muted = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if not self.is_muted:
            self.has_begun = True
            await self._send(message)


async def _refuse(send: Send) -> None:
    body = render_to_string("gateway/failure.html", {"is_database": True}).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"%d" % RETRY_AFTER_S),
        (b"content-security-policy", STRICT.encode()),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send_whole(send, 503, headers, body)
