"""Checks that Redis will serve before anything depends on it: at startup, and for `manage.py check`. Blocking."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

logger = logging.getLogger(__name__)

NO_EVICTION = "noeviction"
TIMEOUT_S = 1.0
POLL_S = 0.5
NAMES = (
    "omg:check",
    "gateway:check",
)  # beside the keys and channels of calls, so the same permissions are needed
FOR_MS = 1000
WRITES = "return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])"  # what every call does: a script that writes
NOT_SIGNED_IN = "HELLO must be called with the client already authenticated"


class RedisAway(Exception):
    """Redis did not serve within `seconds`; `reason` is the last error of Redis or the network."""

    def __init__(self, seconds: float, reason: str) -> None:
        self.seconds, self.reason = seconds, reason
        super().__init__(
            f"Redis did not serve within {seconds:g} s: {reason}. "
            "Hint: check ROUTER_REDIS_URL; database.start_timeout says how long to wait."
        )


def redis_trouble(url: str) -> str:
    """Return why Redis does not serve, in its own words or those of the network; "" when it does."""
    import redis  # noqa: PLC0415 - 24 MiB that embedded mode does without

    try:
        client = redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        with client:
            client.ping()
            policy = str(client.info("memory").get("maxmemory_policy", NO_EVICTION))
            if policy != NO_EVICTION:
                return f"maxmemory-policy is {policy}: set it to {NO_EVICTION}"
            for name in NAMES:
                _try_commands(client, name)
    except (redis.RedisError, OSError, ValueError) as error:
        return _words(error)
    return ""


def _try_commands(client: redis.Redis, name: str) -> None:
    """Do once what calls need; a replica, a full memory or a user without permission refuses it. Raises RedisError."""
    client.eval(WRITES, 1, name, FOR_MS)
    with client.pubsub() as subscription:  # type: ignore[no-untyped-call]  # redis-py has no type for it
        subscription.subscribe(name)
        subscription.get_message(timeout=TIMEOUT_S)
    client.publish(name, "")


def _words(error: Exception) -> str:
    words = " ".join(str(error).split())
    if words.startswith(NOT_SIGNED_IN):
        return f"it asks for a password, and the address has none: {words}"
    return words or type(error).__name__


def wait_for_redis(url: str, seconds: float, report: Callable[[str], object] = str) -> None:
    """Return when Redis serves; `report` gets the reason while it does not, and "" at the end. Raises RedisAway."""
    deadline = time.monotonic() + seconds
    pause, reported = threading.Event(), ""
    while reason := redis_trouble(url):
        if time.monotonic() + POLL_S > deadline:
            raise RedisAway(seconds, reason)
        if reason != reported:
            logger.warning("redis.waiting", extra={"error": reason})
            report(reason)
            reported = reason
        pause.wait(POLL_S)
    report("")
