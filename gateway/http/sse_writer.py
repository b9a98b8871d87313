"""Writes a stream: a heartbeat comment to the client if nothing was sent for a while, and a cut-off for clients that
stopped reading. One timer per stream; an event costs one read of the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from gateway.http.request import Send
from gateway.values.tasks import spawn

Message = MutableMapping[str, Any]


class SSEWriter:
    """All output of a stream goes through it, so that a comment never interleaves with a part of the response.

    `ping` is the comment; b"": there is none, only the cut-off is in force. `early_head` is sent if the first comment
    is due before there is a response (docs/decisions/0005).
    """

    __slots__ = (
        "_abort",
        "_early_head",
        "_heartbeat_s",
        "_is_over",
        "_loop",
        "_ping",
        "_pinging",
        "_send",
        "_sending_since",
        "_spoke_at",
        "_stall_s",
        "_timer",
        "has_begun",
        "is_stalled",
    )

    def __init__(
        self,
        send: Send,
        early_head: Callable[[], Message],
        abort: Callable[[], object],
        *,
        ping: bytes,
        heartbeat_s: float,
        stall_s: float,
    ) -> None:
        self._send, self._early_head, self._abort, self._ping = send, early_head, abort, ping
        self._heartbeat_s, self._stall_s = heartbeat_s, stall_s
        self.has_begun = False  # a head was sent, so failures can only be events
        self.is_stalled = False  # the client did not read for `stall_s`
        self._is_over = False
        self._pinging: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._spoke_at = self._loop.time()
        self._sending_since = 0.0
        self._timer = self._loop.call_later(heartbeat_s, self._on_idle)

    async def start(self, start: Message) -> None:
        """Send the head of the response, unless a heartbeat has already sent one."""
        if self._pinging is not None:
            await asyncio.wait((self._pinging,))
        if not self.has_begun:
            self.has_begun = True
            await self._pass(start)

    async def send(self, body: bytes, *, more: bool = True) -> None:
        """Send a part of the body; without `more` it is the last. Waits while the client is slow."""
        if self._pinging is not None:
            await asyncio.wait((self._pinging,))
        self._is_over = not more
        await self._pass({"type": "http.response.body", "body": body, "more_body": more})

    def cut(self) -> None:
        """Close the connection in the middle of the response, so that the client sees that it is not complete."""
        self.stop()
        self._abort()

    def stop(self) -> None:
        """Stop the heartbeats. May be called more than once."""
        self._is_over = True
        self._timer.cancel()
        if self._pinging is not None:
            self._pinging.cancel()

    async def _pass(self, message: Message) -> None:
        self._sending_since = self._spoke_at = self._loop.time()
        try:
            await self._send(message)
        finally:
            self._sending_since = 0.0

    def _on_idle(self) -> None:
        now = self._loop.time()
        if self._sending_since:
            wait = self._sending_since + self._stall_s - now
            if wait <= 0:
                self.is_stalled = True
                self._abort()
                return
        elif self._is_over:
            return
        elif not self._ping:
            wait = self._heartbeat_s
        else:
            wait = self._spoke_at + self._heartbeat_s - now
            if wait <= 0:
                begins, self.has_begun = not self.has_begun, True
                self._pinging = spawn(self._send_ping(begins=begins))
                wait = self._heartbeat_s
        self._timer = self._loop.call_later(wait, self._on_idle)

    async def _send_ping(self, *, begins: bool) -> None:
        try:
            if begins:
                await self._pass(self._early_head())
            await self._pass({"type": "http.response.body", "body": self._ping, "more_body": True})
        finally:
            self._pinging = None
