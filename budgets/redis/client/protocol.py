"""One socket to Redis. Commands of one loop iteration leave in one write; replies are matched by their order.

A cancelled or late command keeps its place in the order, so its reply can never reach another caller. A command is late
when Redis has sent nothing at all during its patience: a Redis that is busy answering others is not unreachable. The
patience is the timeout, or four mean round trips (250 ms at most), or 250 ms where replies arrived until now: a network
that becomes slow refuses no caller, and a lost Redis is waited for once. Long silence, and anything that is not RESP3,
closes the socket and fails everything that waits on it. About 9 us a call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis
from typing_extensions import override

SILENCES = 8  # patiences without a byte from Redis, after which the socket is closed
PATIENT_S = 0.25  # patience where a reply came in the last RECENT_S, or before the first one
RECENT_S = 1.0
TIMES = 4  # mean round trips
LONGEST_S = 1.0  # the longest wait of a command, however busy Redis is
SECOND_LOOK_S = 0.002  # a busy loop may run its timers before it reads bytes that have arrived
_NOTHING = object()


OUR_FAULT = (
    "ERR",
    "WRONGTYPE",
    "NOPERM",
    "WRONGPASS",
    "NOAUTH",
    "EVICTS",
)  # a defect or a setting: it does not pass by itself


class Unreachable(Exception):
    """Redis did not answer, or not in time. Unless `is_undone`, it may have executed the command."""

    @property
    def is_undone(self) -> bool:
        return False


class Unsent(Unreachable):
    """The command was not sent."""

    @property
    @override
    def is_undone(self) -> bool:
        return True


class RedisError(Unreachable):
    """Redis answered with an error: its text. A command that it cannot execute at present was not begun."""

    @property
    def kind(self) -> str:
        return str(self).partition(" ")[0]

    @property
    @override
    def is_undone(self) -> bool:
        return self.kind not in OUR_FAULT


class RedisProtocol(asyncio.Protocol):
    """Created by the loop for each connection; used once."""

    def __init__(
        self,
        timeout_s: float,
        on_message: Callable[[bytes], None],
        on_late: Callable[[], None],
        on_lost: Callable[[RedisProtocol], None],
        longest_s: float = LONGEST_S,
    ) -> None:
        self._timeout_s, self._longest_s = timeout_s, longest_s
        self._on_message, self._on_late, self._on_lost = on_message, on_late, on_lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(
            notEnoughData=_NOTHING, protocolError=Unreachable, replyError=RedisError
        )
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()  # with the time of sending
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received_at = 0.0
        self._usual_s = 0.0  # round trip, a moving mean; 0: not measured yet
        self._is_doubtful = False  # a command was late since Redis last sent a byte
        self._is_second_look = False
        self.is_lost = False

    def send(self, *command: str | bytes | int) -> asyncio.Future[Any]:
        """Add the command to the write of this loop iteration. The future raises Unreachable or RedisError."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.is_lost:
            future.set_exception(Unsent())
            return future
        self.send_no_reply(*command)
        self._waiting.append((future, self._loop.time()))
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout_s, self._check_timeout)
        return future

    def send_no_reply(self, *command: str | bytes | int) -> None:
        """Send a command without a reply of its own (SUBSCRIBE)."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(hiredis.pack_command(cast("tuple[Any]", command)))

    def drop(self) -> None:
        """Close the socket; every waiting command raises Unreachable."""
        if self.is_lost:
            return
        self.is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        for future, _ in self._waiting:
            if not future.done():
                future.set_exception(Unreachable())
        self._waiting.clear()
        self._on_lost(self)

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.drop()

    @override
    def data_received(self, data: bytes) -> None:
        if self.is_lost:
            return
        self._received_at = self._loop.time()
        self._is_doubtful = False
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                self._deliver(reply)
        except (
            Unreachable,
            IndexError,
        ):  # not RESP, or a reply without a command: replies can no longer be matched
            self.drop()

    def _deliver(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            if reply and reply[0] == b"message":
                self._on_message(reply[2])
            return
        future, sent = self._waiting.popleft()
        took_s = self._received_at - sent
        self._usual_s += (took_s - self._usual_s) / 8 if self._usual_s else took_s
        if future.done():
            return
        if isinstance(reply, RedisError):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    def _flush(self) -> None:
        if self._transport is not None and not self.is_lost:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _check_timeout(self) -> None:
        """Fail late commands, and drop a silent socket. One timer for all waiting commands."""
        self._timer = None
        if not self._waiting:
            return
        now, oldest = self._loop.time(), self._waiting[0][1]
        silent_s = now - max(self._received_at, oldest)
        late = [f for f, sent in self._waiting if not f.done() and self._is_late(now, sent)]
        again_s = self._timeout_s
        if late and not self._is_second_look:
            self._is_second_look, again_s = True, SECOND_LOOK_S
        else:
            self._is_second_look = False
            for future in late:
                future.set_exception(Unreachable())
            if late:
                self._is_doubtful = True
                self._on_late()
            if silent_s >= SILENCES * self._usual_patience_s:
                self.drop()
                return
            again_s = self._next_look_s(now)
        self._timer = self._loop.call_later(again_s, self._check_timeout)

    def _is_late(self, now: float, sent: float) -> bool:
        return now - max(self._received_at, sent) >= self._patience_s(sent) or now - sent >= self._longest_s

    @property
    def _usual_patience_s(self) -> float:
        return max(self._timeout_s, min(PATIENT_S, TIMES * self._usual_s))

    def _patience_s(self, sent: float) -> float:
        """Return how long a command sent at that time waits without a byte from Redis."""
        is_alive = not self._usual_s or sent - self._received_at < RECENT_S
        if is_alive and not self._is_doubtful:
            return max(self._timeout_s, PATIENT_S)
        return self._usual_patience_s

    def _next_look_s(self, now: float) -> float:
        """Return how long the oldest waiting command may still wait."""
        sent = next((sent for future, sent in self._waiting if not future.done()), now)
        return max(SECOND_LOOK_S, max(self._received_at, sent) + self._patience_s(sent) - now)
