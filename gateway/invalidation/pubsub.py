"""Notifies every worker on every machine at once of a configuration change, over Redis pub/sub.

Only a hint: the number in the database is authoritative (gateway/invalidation/watcher.py), and it is read each second
anyway, so a repeated message does no harm. A worker without a subscription trusts its cached keys for a shorter time.
Costs one idle connection a worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import redis
from redis import asyncio as redis_async

from gateway.values.fallback_log import FALLBACKS
from gateway.values.signed_messages import Signer

CHANNEL = "gateway:config"
SILENCE_S = 5.0  # after this silence Redis is pinged, and given as long again to respond
RETRY_S = 1.0
PUBLISH_S = 0.5  # a committed change must not wait long for this


class ConfigPublisher:
    """Publishes a change; errors are only logged, because the change is already made. Blocking."""

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
    """`handlers` maps each channel to the handler of its messages with valid signatures; `on_disconnect` is called when
    the subscription fails, `on_reconnect` when it works again.
    """

    def __init__(
        self,
        url: str,
        signer: Signer,
        *,
        handlers: Mapping[str, Callable[[bytes], None]],
        on_disconnect: Callable[[], None],
        on_reconnect: Callable[[], None],
        silence_s: float = SILENCE_S,
    ) -> None:
        self._url, self._signer, self._silence_s = url, signer, silence_s
        self._handlers, self._on_disconnect, self._on_reconnect = handlers, on_disconnect, on_reconnect
        self._is_subscribed = True  # assumed until the subscription fails

    async def run(self) -> None:
        """Listen forever."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - any error: without the listener no change arrives any more
                FALLBACKS.note("changes_unheard", f"{error}; they are found by polling")
                if self._is_subscribed:
                    self._is_subscribed = False
                    self._on_disconnect()
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        client = redis_async.Redis.from_url(self._url, socket_connect_timeout=RETRY_S)
        async with client, client.pubsub() as channel:
            await channel.subscribe(*self._handlers)
            is_pinged = False
            while True:
                message = await channel.get_message(timeout=self._silence_s)
                if message is None:
                    if is_pinged:
                        raise redis.ConnectionError("it does not answer")
                    await channel.ping()
                    is_pinged = True
                    continue
                is_pinged = False
                if message["type"] == "subscribe":
                    self._is_subscribed = True
                    self._on_reconnect()
                elif message["type"] == "message":
                    name = message["channel"].decode()
                    body = self._signer.read(name, message["data"])
                    if body is not None:
                        self._handlers[name](body)
