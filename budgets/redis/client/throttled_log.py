"""Logs error replies of Redis, each kind once in ten seconds, and keeps one while it may affect every command."""

from __future__ import annotations

import logging

from budgets.redis.client.protocol import OUR_FAULT, RedisError

logger = logging.getLogger(__name__)
REPEAT_S = 10.0
DOUBTED_S = 5.0  # an error is assumed for later commands for this long, unless one is answered before
OF_ONE = frozenset({"ERR", "WRONGTYPE"})  # a command or a tenant's data; the others concern every command


class ThrottledLog:
    """A full disk makes every command fail: one line is enough."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._refusal, self._until = "", 0.0

    def of_all(self, now: float) -> str:
        """Return the error that every command is likely to get at present, or nothing."""
        return self._refusal if now < self._until else ""

    def forget(self) -> None:
        """A command was answered: the error no longer affects every command."""
        self._until = 0.0

    def warn(self, failure: Exception, now: float) -> None:
        kind = failure.kind if isinstance(failure, RedisError) else type(failure).__name__
        if kind not in OF_ONE:
            self._refusal, self._until = str(failure), now + DOUBTED_S
        if now < self._next.get(kind, now):
            return
        self._next[kind] = now + REPEAT_S
        if not isinstance(failure, RedisError):
            logger.error("redis.command.failed", exc_info=failure)
        elif kind in OUR_FAULT:
            logger.error("redis.command.invalid", extra={"error": str(failure)})
        else:
            logger.warning("redis.command.refused", extra={"error": str(failure)})
