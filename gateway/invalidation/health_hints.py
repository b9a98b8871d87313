"""Sends what one process learns about a deployment to the others, over Redis pub/sub (production mode only).

Hints are not authoritative: a lost hint is not repeated, and each process finds out by itself. No call waits for them;
a hint costs a few microseconds, and there are hints only when a deployment fails or recovers.

A hint that another client repeats is ignored: each sender's hints are dated and accepted in order, once. Only a
process that does not know the sender yet accepts it, while it is young: it was true a moment ago.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from uuid import uuid4

import msgspec
import redis
from cachetools import FIFOCache
from redis import asyncio as redis_async
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.values.fallback_log import FALLBACKS
from gateway.values.signed_messages import STALE, Signer
from providers.resilience.health_hint import HealthHint

WAITING = 1000  # while Redis is slow, the oldest hints are dropped
PUBLISH_S = 0.5
YOUNG_S = 10.0  # beyond it a hint is too old, or from a clock too far ahead; clocks differ less
MOST_SENDERS = 1000


class HealthHintMessage(msgspec.Struct, frozen=True):
    """A hint in transit. Rows keep their ids, but a hint about a row changed meanwhile would affect the wrong one."""

    sender: str
    version: int  # of the sender's catalog
    hint: HealthHint
    at: float  # the date; unique per sender


class HealthHintBus:
    """`version` reads the catalog version of this process. `channel` is the channel to subscribe to; Redis shares
    channels between its databases, so its name contains the database.
    """

    def __init__(
        self,
        url: str,
        version: Callable[[], int],
        signer: Signer,
        clock: Callable[[], float] = time.monotonic,
        date: Callable[[], float] = time.time,
    ) -> None:
        self.signer, self._date = signer, date
        self._sent_at = 0.0
        self._received_at: FIFOCache[str, float] = FIFOCache(
            MOST_SENDERS
        )  # by sender: the date of the newest
        self.channel = f"gateway:health:{parse_url(url).get('db', 0)}"
        self._url, self._version, self._clock = url, version, clock
        self._name = uuid4().hex
        self._queue: deque[tuple[float, HealthHint]] = deque(maxlen=WAITING)
        self._wake = asyncio.Event()

    def publish(self, hint: HealthHint) -> None:
        """Queue a hint for the other processes. Never waits, never raises."""
        self._queue.append((self._clock(), hint))
        self._wake.set()

    def parse(self, message: bytes) -> HealthHint | None:
        """Parse a message of the channel; None for an own hint, one about another catalog, one that was received
        before or is too old, or no hint at all.
        """
        try:
            received = msgspec.json.decode(message, type=HealthHintMessage)
        except msgspec.DecodeError:
            return None
        if received.sender == self._name or not self._is_current(received):
            return None
        return None if received.version != self._version() else received.hint

    def _is_current(self, received: HealthHintMessage) -> bool:
        """Return whether this is the newest of its sender, and young; others are counted."""
        is_news = (
            received.at > self._received_at.get(received.sender, 0.0)
            and abs(self._date() - received.at) <= YOUNG_S
        )
        if is_news:
            self._received_at[received.sender] = (
                received.at
            )  # when full, the longest silent sender is dropped
        else:
            FALLBACKS.note(STALE, f"a hint that is old, or was said again, on {self.channel} was ignored")
        return is_news

    async def run(self) -> None:
        """Publish forever; what cannot be published is dropped."""
        client = redis_async.Redis.from_url(
            self._url,
            socket_timeout=PUBLISH_S,
            socket_connect_timeout=PUBLISH_S,
            retry=Retry(NoBackoff(), 1),
        )
        async with client:
            while True:
                await self._wake.wait()
                while self._queue:
                    await self._publish(client, *self._queue.popleft())
                self._wake.clear()

    async def _publish(self, client: redis_async.Redis, queued_at: float, hint: HealthHint) -> None:
        left = max(0.0, hint.seconds - (self._clock() - queued_at))
        self._sent_at = max(self._date(), self._sent_at + 1e-6)
        hint = msgspec.structs.replace(hint, seconds=left)
        encoded = msgspec.json.encode(HealthHintMessage(self._name, self._version(), hint, self._sent_at))
        try:
            await client.publish(self.channel, self.signer.sign(self.channel, encoded))
        except (redis.RedisError, OSError) as error:
            FALLBACKS.note("health_hint_untold", f"deployment {hint.deployment}: {error}")
