"""Tells every worker on every machine at once that the configuration changed, over Redis pub/sub.

A hint, never the truth: the number in the database is (gateway/invalidation/watcher.py), and it is read each second
anyway, so it does no harm when it is said again. A worker that cannot listen trusts what it knows of keys for a
shorter time. Costs one idle connection a worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import redis
from redis import asyncio as redis_async

from gateway.values.fallback_log import FALLBACKS
from gateway.values.signed_messages import Signer

logger = logging.getLogger(__name__)

CHANNEL = "gateway:config"
SILENCE_S = 5.0  # after so long a silence Redis is asked whether it lives, and given as long again to answer
PATIENCE_S = 1.0
PUBLISH_S = 0.5  # a change that was made must not wait long for this


class ConfigPublisher:
    """Publishes a change; what goes wrong is logged, because the change was made all the same. Blocking."""

    def __init__(self, url: str, signer: Signer) -> None:
        self._url, self._signer = url, signer

    def publish(self) -> None:
        """Connect, publish, disconnect: changes are rare."""
        try:
            with redis.Redis.from_url(
                self._url, socket_timeout=PUBLISH_S, socket_connect_timeout=PUBLISH_S
            ) as client:
                client.publish(CHANNEL, self._signer.sign(CHANNEL, b"changed"))
        except (redis.RedisError, OSError) as error:
            FALLBACKS.note("change_unannounced", f"{error}; servers notice it by polling")


class ConfigSubscriber:
    """`heard` has for each channel who takes its messages, if their signatures are good; `lost` is called when nothing
    can be heard any longer, `found` when it can again.
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        *,
        heard: Mapping[str, Callable[[bytes], None]],
        lost: Callable[[], None],
        found: Callable[[], None],
        silence_s: float = SILENCE_S,
    ) -> None:
        self._url, self._signer, self._silence_s = url, signer, silence_s
        self._heard, self._lost, self._found = heard, lost, found
        self._hears = True  # until it is known that it does not

    async def run(self) -> None:
        """Listen for ever."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it was: who stops listening hears of nothing any more
                FALLBACKS.note("changes_unheard", f"{error}; they are found by polling")
                if self._hears:
                    self._hears = False
                    self._lost()
            await asyncio.sleep(PATIENCE_S)

    async def _listen(self) -> None:
        client = redis_async.Redis.from_url(self._url, socket_connect_timeout=PATIENCE_S)
        async with client, client.pubsub() as channel:
            await channel.subscribe(*self._heard)
            is_asked = False
            while True:
                message = await channel.get_message(timeout=self._silence_s)
                if message is None:
                    if is_asked:
                        raise redis.ConnectionError("it does not answer")
                    await channel.ping()
                    is_asked = True
                    continue
                is_asked = False
                if message["type"] == "subscribe":
                    self._hears = True
                    self._found()
                elif message["type"] == "message":
                    name = message["channel"].decode()
                    body = self._signer.read(name, message["data"])
                    if body is not None:
                        self._heard[name](body)
