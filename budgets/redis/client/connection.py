"""The process's connection to Redis: connect, reconnect, circuit breaker.

A step waits twice at most, for as long as budgets/redis/client/protocol.py allows: 30 ms where Redis is near and
quick, 250 ms where it has just become slow. After five failures within a second every command fails at once for a
second. Reconnecting runs in the background, ten times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio.connection import parse_url

from budgets.redis.client.protocol import LONGEST_S, RedisError, RedisProtocol, Unreachable, Unsent
from budgets.redis.client.scripts import Script, read_scripts
from budgets.redis.client.throttled_log import ThrottledLog
from budgets.redis.client.tls import context_of
from gateway.values.fallback_log import FALLBACKS
from gateway.values.tasks import spawn

logger = logging.getLogger(__name__)
TIMEOUT_S = 0.03
HANDSHAKE_S = 0.5
AGAIN_S = 0.1
NO_EVICTION = "noeviction"
EVICTS = "EVICTS"


class ReconnectBackoff:
    """Circuit breaker: opens after `fails` within `seconds`, for `seconds`; one failure after that reopens it."""

    def __init__(self, fails: int = 5, seconds: float = 1.0) -> None:
        self._fails, self._seconds = fails, seconds
        self._failed: deque[float] = deque(maxlen=fails)
        self._until = 0.0
        self._is_on_trial = False

    def is_open(self, now: float) -> bool:
        return now < self._until

    def fail(self, now: float) -> None:
        self._failed.append(now)
        many = len(self._failed) == self._fails and now - self._failed[0] <= self._seconds
        if many or self._is_on_trial:
            self._until, self._is_on_trial = now + self._seconds, True
            self._failed.clear()

    def succeed(self) -> None:
        if self._is_on_trial:
            self._is_on_trial = False
            self._failed.clear()


class RedisConnection:
    """`run_id` is the run id of the server behind the present connection; `opened` counts connections. `born_in` is
    the data epoch in which this worker first connected.
    """

    def __init__(
        self, url: str, channel: str, timeout_s: float = TIMEOUT_S, longest_s: float = LONGEST_S
    ) -> None:
        self.run_id, self.opened, self.born_in = "", 0, ""
        self._client = 0  # the server's id of the present connection
        self.on_message: Callable[[bytes], None] = _noop
        self.on_open: Callable[[], None] = _nothing
        self._options: dict[str, Any] = dict(parse_url(url))
        self._is_secure = url.startswith("rediss:")
        self.channel = f"{channel}:{self._options.get('db', 0)}"
        self._timeout_s, self._longest_s = timeout_s, longest_s
        self._scripts = read_scripts()
        self._breaker, self._complaints = ReconnectBackoff(), ThrottledLog()
        self._has_warned = False
        self._wire: RedisProtocol | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._why_away = "it was not reached yet"

    @property
    def is_up(self) -> bool:
        return self._wire is not None

    @property
    def trouble(self) -> str:
        """Why no command can be sent at present; "" when one can. Thread-safe."""
        now = time.monotonic()  # the loop's clock
        if self._wire is None:
            return self._why_away
        if self._breaker.is_open(now):
            return "it does not answer in time"
        return self._complaints.of_all(now)

    async def open(self) -> None:
        """Start connecting; return when connected, or after HANDSHAKE_S (it continues in the background)."""
        self._reconnect()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANDSHAKE_S):
                await self._ready.wait()

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.drop()

    async def call(self, *command: str | bytes | int) -> Any:
        """Return the reply. Raises Unreachable, also for an error reply."""
        wire = await self._connected()
        try:
            return await self._answer(wire.send(*command))
        except RedisError as refused:
            self._complain(refused)
            raise

    async def run(self, name: str, key: str, payload: Callable[[str], bytes]) -> bytes:
        """Run a script; every script may run twice, so it is retried once after a lost connection.

        `payload` is made for the run id of the server that receives it: one made before a loss of data and sent
        after it would be taken for a call from before the loss. Raises Unreachable, also for an error reply: a paid
        answer is settled and a total posted when Redis can do it again.
        """
        script = self._scripts[name]
        try:
            return await self._evaluate(script, key, payload)
        except RedisError as refused:
            self._complain(refused)
            raise
        except Unreachable as first:
            FALLBACKS.note("redis_asked_again", first)
            try:
                return await self._evaluate(script, key, payload)
            except Unreachable as second:
                raise (second if first.is_undone else first) from None

    async def life(self) -> str:
        """Return the name of the data epoch: a new one after every loss of data. Raises Unreachable."""
        return await self._life(await self._connected())

    @property
    def life_key(self) -> str:
        return f"{self.channel}:lives:{self.run_id}"  # by run id: data kept by a restarted server may be old

    async def _life(self, wire: RedisProtocol) -> str:
        written = wire.send("HSETNX", self.life_key, "life", uuid.uuid4().hex)
        written.add_done_callback(_on_message)
        named = await wire.send("HGET", self.life_key, "life")
        if named is None:
            await written  # its error names the cause, such as a replica
            raise Unreachable
        return str(named.decode())

    async def _connected(self) -> RedisProtocol:
        loop = asyncio.get_running_loop()
        if self._breaker.is_open(loop.time()):
            raise Unsent
        if self._wire is None:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._ready.wait()
            except TimeoutError:
                self._breaker.fail(loop.time())
                raise Unsent from None
        if self._wire is None:
            raise Unsent
        return self._wire

    async def _answer(self, reply: Awaitable[Any]) -> Any:
        got = await reply
        self._breaker.succeed()
        self._complaints.forget()
        return got

    async def _evaluate(self, script: Script, key: str, payload: Callable[[str], bytes]) -> bytes:
        wire = await self._connected()
        packed = payload(self.run_id)
        try:
            reply: bytes = await self._answer(wire.send("EVALSHA", script.sha, 1, key, packed))
        except RedisError as refused:
            if not str(refused).startswith("NOSCRIPT"):
                raise
            reply = await self._answer(wire.send("EVAL", script.text, 1, key, packed))
        return reply

    def _complain(self, failure: Exception) -> None:
        self._complaints.warn(failure, asyncio.get_running_loop().time())

    def _late(self) -> None:
        self._breaker.fail(asyncio.get_running_loop().time())

    def _lost(self, wire: RedisProtocol) -> None:
        if wire is self._wire:
            self._late()
            self._wire, self._why_away = None, "it does not answer"
            self._ready.clear()
            self._reconnect()

    def _reconnect(self) -> None:
        if self._task is None or self._task.done():
            self._task = spawn(self._keep_connecting(), name="redis-connect")

    async def _keep_connecting(self) -> None:
        """Retry until it succeeds, whatever the error."""
        while True:
            try:
                wire = await self._connect()
                if not wire.is_lost:
                    break
            except OSError as error:  # TimeoutError too: Redis is unreachable
                self._why_away = (
                    f"{error.filename or ''} {error.strerror or error}".strip() or "it does not answer"
                )
            except Exception as failure:  # noqa: BLE001 - no other task reconnects
                self._why_away = str(failure) or "it does not answer"
                if isinstance(failure, RedisError) or not isinstance(failure, Unreachable):
                    self._complain(failure)
            await asyncio.sleep(AGAIN_S)
        self._wire = wire
        self.opened += 1
        self._ready.set()
        self.on_open()

    async def _connect(self) -> RedisProtocol:
        loop, options = asyncio.get_running_loop(), self._options
        wire = RedisProtocol(self._timeout_s, self.on_message, self._late, self._lost, self._longest_s)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                if "path" in options:
                    await loop.create_unix_connection(lambda: wire, options["path"])
                else:
                    secure = context_of(options) if self._is_secure else None
                    host, port = options.get("host", "localhost"), options.get("port", 6379)
                    await loop.create_connection(lambda: wire, host, port, ssl=secure)
                await self._shake_hands(wire)
        except BaseException:  # cancellation too: no half-open socket remains
            wire.drop()
            raise
        return wire

    async def _shake_hands(self, wire: RedisProtocol) -> None:
        options = self._options
        hello: list[str | bytes | int] = ["HELLO", 3]
        if options.get("password"):
            hello += ["AUTH", options.get("username") or "default", options["password"]]
        commands: list[list[str | bytes | int]] = [hello]
        if options.get("db"):
            commands.append(["SELECT", options["db"]])
        commands += [["SCRIPT", "LOAD", script.text] for script in self._scripts.values()]
        replies = [wire.send(*command) for command in commands]  # one round trip for all
        wire.send_no_reply("SUBSCRIBE", self.channel)
        greeting, *_, about, memory = await asyncio.gather(
            *replies, wire.send("INFO", "server"), wire.send("INFO", "memory")
        )
        info = _facts(about)
        self._check_eviction(_facts(memory).get("maxmemory_policy", ""))
        if self._client and self.run_id == info["run_id"]:
            await self._end_last(wire)
        self.run_id, self._client = info["run_id"], greeting[b"id"]
        self.born_in = self.born_in or await self._life(wire)

    async def _end_last(self, wire: RedisProtocol) -> None:
        """Kill the previous connection in the server: commands not yet read from it would run out of order."""
        try:
            await wire.send("CLIENT", "KILL", "ID", self._client)
        except RedisError as refused:
            self._complain(refused)

    def _check_eviction(self, policy: str) -> None:
        """Refuse a Redis that evicts keys when memory is short: holds and limits would be lost."""
        if policy and policy != NO_EVICTION:
            raise RedisError(f"{EVICTS} maxmemory-policy is {policy}: set it to {NO_EVICTION}")
        if not policy and not self._has_warned:
            self._has_warned = True
            logger.warning("redis.eviction.unknown", extra={"wanted": NO_EVICTION})


def _facts(info: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)


def _on_message(future: asyncio.Future[Any]) -> None:
    """Mark its exception as retrieved: the command after it raises the failure."""
    if not future.cancelled():
        future.exception()


def _noop(_: bytes) -> None:
    """No receiver is set yet."""


def _nothing() -> None:
    """No callback is set yet."""
