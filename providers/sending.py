"""How far one request got, and the timer of the phase it is in. No I/O; belongs to providers/transport.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from providers.failures import UpstreamTimeout

if TYPE_CHECKING:
    from providers.target import Timeouts

# A kept connection that breaks later than this was not stale: the provider had the request.
STALE_S: Final = 1.0


class Sending:
    """`timer` bounds the wait for the answer's head; the pool says when it connects, which moves it."""

    __slots__ = ("connecting", "first_by", "fresh", "loop", "started", "timeouts", "timer", "total_at")

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts, self.loop = timeouts, asyncio.get_running_loop()
        self.started = self.loop.time()
        self.total_at = self.started + timeouts.total
        self.restart()

    def restart(self) -> None:
        self.connecting, self.fresh = True, False
        self.started = self.loop.time()
        self.first_by = self.started + self.timeouts.first_byte
        self.timer = asyncio.timeout_at(min(self.first_by, self.total_at))

    def was_stale(self) -> bool:
        """Tell whether the connection was a kept one that the provider had closed before it saw the request."""
        return not self.fresh and self.loop.time() - self.started < STALE_S

    def connects(self) -> None:
        """A new connection is being made, which has a limit of its own."""
        self.fresh = True
        self.timer.reschedule(self.total_at)

    def connected(self) -> None:
        """The request is about to be sent."""
        self.connecting = False
        if self.fresh:
            self.first_by = self.loop.time() + self.timeouts.first_byte
            self.timer.reschedule(min(self.first_by, self.total_at))

    def timeout(self) -> UpstreamTimeout:
        """Say which wait `timer` ended."""
        timeouts = self.timeouts
        if self.loop.time() >= self.total_at:
            return UpstreamTimeout("total", timeouts.total, reached=not self.connecting)
        if self.connecting:
            return UpstreamTimeout("connect", min(timeouts.connect, timeouts.first_byte))
        return UpstreamTimeout("first_byte", timeouts.first_byte)
