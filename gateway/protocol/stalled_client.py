"""Ends a connection whose client reads nothing: its answer fills memory, and a polite close would wait for ever."""

from __future__ import annotations

import asyncio


class StalledClientGuard:
    """Watches the write buffer of one connection; `patience_s` without a byte taken is the end. No timer while idle."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, patience_s: float
    ) -> None:
        self._transport, self._loop, self._patience_s = transport, loop, patience_s
        self._left, self._has_moved = 0, False
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Begin to watch what waits now. May be called while that is done already."""
        if self._timer is None:
            self._left = self._transport.get_write_buffer_size()
            self._has_moved = False
            if self._left:
                self._timer = self._loop.call_later(self._patience_s, self._check)

    def on_progress(self) -> None:
        """Note that the client has read, although as much may wait again."""
        self._has_moved = True

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._transport.get_write_buffer_size() >= self._left and not self._has_moved:
            self._transport.abort()
        else:
            self.watch()
