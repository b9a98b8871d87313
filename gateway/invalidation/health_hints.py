"""Carries what one process learns of a deployment to the others, over Redis pub/sub (production mode only).

Hints, never the truth: what is lost is lost, and each process finds out by itself. Nobody waits for it; a hint costs a
few microseconds, and there are hints only when something breaks or comes back.

A hint that is said again by somebody else is not heard: each sender's hints are dated and heard in their order, once.
To who has not heard of the sender yet it says what was true a moment ago, and only while it is young.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from uuid import uuid4

import msgspec
import redis
from redis import asyncio as redis_async
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.values.fallback_log import FALLBACKS
from gateway.values.signed_messages import STALE, Signer
from providers.resilience.health_hint import HealthHint

WAITING = 1000  # while Redis is slow, the oldest hints are dropped
PUBLISH_S = 0.5
YOUNG_S = 10.0  # beyond it a hint is too old, or comes from a clock too far ahead; machines keep time better
MOST_SENDERS = 1000


class HealthHintMessage(msgspec.Struct, frozen=True):
    """A hint under way. Rows keep their ids, but a hint about what was changed meanwhile would hit the innocent."""

    sender: str
    version: int  # of the catalog that the sender knows
    hint: HealthHint
    at: float  # the date; no two of one sender are the same


class HealthHintBus:
    """`version` reads which catalog this process knows. `channel` is where to listen; Redis shares it between its
    databases, so it names the one.
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
        self._said_at = 0.0
        self._heard_at: dict[str, float] = {}  # by sender: the date of the newest
        self.channel = f"gateway:health:{parse_url(url).get('db', 0)}"
        self._url, self._version, self._clock = url, version, clock
        self._name = uuid4().hex
        self._queue: deque[tuple[float, HealthHint]] = deque(maxlen=WAITING)
        self._wake = asyncio.Event()

    def publish(self, hint: HealthHint) -> None:
        """Tell the others soon. Never waits, never raises."""
        self._queue.append((self._clock(), hint))
        self._wake.set()

    def parse(self, message: bytes) -> HealthHint | None:
        """Read the body of what came over the channel; None: one's own, one about another catalog, one that was heard
        before or is too old, or no hint at all.
        """
        try:
            said = msgspec.json.decode(message, type=HealthHintMessage)
        except msgspec.DecodeError:
            return None
        if said.sender == self._name or not self._is_news(said):
            return None
        return None if said.version != self._version() else said.hint

    def _is_news(self, said: HealthHintMessage) -> bool:
        """Tell whether this is the newest of its sender, and young; what is not is counted."""
        is_news = said.at > self._heard_at.get(said.sender, 0.0) and abs(self._date() - said.at) <= YOUNG_S
        if is_news:
            self._heard_at.pop(said.sender, None)
            while len(self._heard_at) >= MOST_SENDERS:
                del self._heard_at[next(iter(self._heard_at))]  # who has been silent for longest
            self._heard_at[said.sender] = said.at
        else:
            FALLBACKS.note(STALE, f"a hint that is old, or was said again, on {self.channel} was ignored")
        return is_news

    async def run(self) -> None:
        """Publish for ever; what cannot be published is dropped."""
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

    async def _publish(self, client: redis_async.Redis, said_at: float, hint: HealthHint) -> None:
        left = max(0.0, hint.seconds - (self._clock() - said_at))
        self._said_at = max(self._date(), self._said_at + 1e-6)
        hint = msgspec.structs.replace(hint, seconds=left)
        said = msgspec.json.encode(HealthHintMessage(self._name, self._version(), hint, self._said_at))
        try:
            await client.publish(self.channel, self.signer.sign(self.channel, said))
        except (redis.RedisError, OSError) as error:
            FALLBACKS.note("health_hint_untold", f"deployment {hint.deployment}: {error}")
