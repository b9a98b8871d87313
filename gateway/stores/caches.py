"""Django's cache and the channel layer: in this process when embedded, in Redis when processes share. Settings only.

Nothing here counts money or limits (budgets/ does): what is lost with this cache is loaded again. A client with write
access to Redis must not run code here: stored values are JSON, and what is not JSON counts as absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.sections.stores import Redis

TIMEOUT_S = 1.0


def django_caches(redis: Redis) -> dict[str, dict[str, Any]]:
    """Return Django's CACHES."""
    if not redis.url:
        local = "django.core.cache.backends.locmem.LocMemCache"
        return {"default": {"BACKEND": local}}
    from redis.backoff import NoBackoff  # noqa: PLC0415 - embedded mode does without
    from redis.retry import Retry  # noqa: PLC0415

    return {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": redis.url,
            "KEY_PREFIX": "gateway:cache",
            "OPTIONS": {
                "SOCKET_CONNECT_TIMEOUT": TIMEOUT_S,
                "SOCKET_TIMEOUT": TIMEOUT_S,
                # One try: the caller has another source, and should not wait for several timeouts.
                "CONNECTION_POOL_KWARGS": {
                    "max_connections": redis.pool_size,
                    "retry": Retry(NoBackoff(), 0),
                },
                # the default, pickle, would execute what it reads
                "SERIALIZER": "gateway.stores.cache_serializer.CacheJson",
                "IGNORE_EXCEPTIONS": True,  # without Redis a page is slower, not broken
            },
        }
    }


def channel_layers(redis: Redis) -> dict[str, dict[str, Any]]:
    """Return Channels' CHANNEL_LAYERS."""
    if not redis.url:
        return {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    return {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [redis.url], "prefix": "gateway:channels"},
        }
    }
