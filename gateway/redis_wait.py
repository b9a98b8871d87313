"""Asks Redis whether it will serve before anything depends on it: at the start, and for `manage.py check`. Blocking."""

from __future__ import annotations

import logging
import threading
import time

logger = logging.getLogger("gateway")

NO_EVICTION = "noeviction"
ASK_S = 1.0
POLL_S = 0.5


class RedisAway(Exception):
    """Redis did not serve within `seconds`; `reason` is what it, or the network, said last."""

    def __init__(self, seconds: float, reason: str) -> None:
        self.seconds, self.reason = seconds, reason
        super().__init__(
            f"Redis did not serve within {seconds:g} s: {reason}. "
            "Hint: check ROUTER_REDIS_URL; database.start_timeout says how long to wait."
        )


def trouble_of(url: str) -> str:
    """Return why Redis does not serve, in its own words or those of the network; "" when it does."""
    import redis  # noqa: PLC0415 - 24 MiB that embedded mode does without

    try:
        client = redis.Redis.from_url(url, socket_timeout=ASK_S, socket_connect_timeout=ASK_S)
        with client:
            client.ping()
            policy = str(client.info("memory").get("maxmemory_policy", NO_EVICTION))
    except (redis.RedisError, OSError, ValueError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    return "" if policy == NO_EVICTION else f"maxmemory-policy is {policy}: set it to {NO_EVICTION}"


def wait_for_redis(url: str, seconds: float) -> None:
    """Return when Redis serves. Raises RedisAway."""
    deadline = time.monotonic() + seconds
    pause, told = threading.Event(), ""
    while reason := trouble_of(url):
        if time.monotonic() + POLL_S > deadline:
            raise RedisAway(seconds, reason)
        if reason != told:
            logger.warning("waiting for Redis: %s", reason)
            told = reason
        pause.wait(POLL_S)
