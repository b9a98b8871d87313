"""Aborts a connection whose client reads nothing: its response fills memory, and a graceful close would never end."""

from __future__ import annotations

import asyncio


class StalledClientGuard:
    """Watches the write buffer of one connection; aborts after `timeout_s` without progress. No timer while idle."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, timeout_s: float
    ) -> None:
        self._transport, self._loop, self._timeout_s = transport, loop, timeout_s
        self._pending_bytes, self._has_progress = 0, False
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Start to watch the data that waits now. May be called when already started."""
        if self._timer is None:
            self._pending_bytes = self._transport.get_write_buffer_size()
            self._has_progress = False
            if self._pending_bytes:
                self._timer = self._loop.call_later(self._timeout_s, self._check)

    def on_progress(self) -> None:
        """Record that the client has read, even if as much waits again."""
        self._has_progress = True

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._transport.get_write_buffer_size() >= self._pending_bytes and not self._has_progress:
            self._transport.abort()
        else:
            self.watch()
