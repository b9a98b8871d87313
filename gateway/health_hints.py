"""Carries what one process learns of a deployment to the others, over Redis pub/sub (production mode only).

Hints, never the truth: what is lost is lost, and each process finds out by itself. Nobody waits for it; a hint costs a
few microseconds, and there are hints only when something breaks or comes back.
"""

from __future__ import annotations

import asyncio
import logging
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

from providers.hint import Hint

logger = logging.getLogger("gateway.health")

WAITING = 1000  # while Redis is slow, the oldest hints are dropped
PUBLISH_S = 0.5


class Said(msgspec.Struct, frozen=True):
    """A hint under way. Rows keep their ids, but a hint about what was changed meanwhile would hit the innocent."""

    sender: str
    version: int  # of the catalog that the sender knows
    hint: Hint


class HealthHints:
    """`version` reads which catalog this process knows. `channel` is where to listen; Redis shares it between its
    databases, so it names the one.
    """

    def __init__(
        self, url: str, version: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.channel = f"gateway:health:{parse_url(url).get('db', 0)}"
        self._url, self._version, self._clock = url, version, clock
        self._name = uuid4().hex
        self._queue: deque[tuple[float, Hint]] = deque(maxlen=WAITING)
        self._wake = asyncio.Event()

    def say(self, hint: Hint) -> None:
        """Tell the others soon. Never waits, never raises."""
        self._queue.append((self._clock(), hint))
        self._wake.set()

    def hear(self, message: bytes) -> Hint | None:
        """Read what came over the channel; None: one's own, one about another catalog, or no hint at all."""
        try:
            said = msgspec.json.decode(message, type=Said)
        except msgspec.DecodeError:
            return None
        return None if said.sender == self._name or said.version != self._version() else said.hint

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

    async def _publish(self, client: redis_async.Redis, said_at: float, hint: Hint) -> None:
        left = max(0.0, hint.seconds - (self._clock() - said_at))
        said = Said(self._name, self._version(), msgspec.structs.replace(hint, seconds=left))
        try:
            await client.publish(self.channel, msgspec.json.encode(said))
        except (redis.RedisError, OSError) as error:
            logger.info("other processes were not told of deployment %d (%s)", hint.deployment, error)
