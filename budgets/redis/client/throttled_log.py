"""What Redis says against commands: logged, each kind once in ten seconds, and remembered while it may hold for all."""

from __future__ import annotations

import logging

from budgets.redis.client.protocol import OUR_FAULT, RedisError

logger = logging.getLogger(__name__)
SAY_AGAIN_S = 10.0
DOUBTED_S = 5.0  # so long a refusal stands for the commands after it, unless one is answered before
OF_ONE = frozenset({"ERR", "WRONGTYPE"})  # a command or a tenant's data; the others concern every command


class ThrottledLog:
    """A full disk refuses all commands: one line tells."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._refusal, self._until = "", 0.0

    def of_all(self, now: float) -> str:
        """Return the refusal that is likely to meet every command at present, or nothing."""
        return self._refusal if now < self._until else ""

    def forget(self) -> None:
        """A command was answered."""
        self._until = 0.0

    def warn(self, failure: Exception, now: float) -> None:
        kind = failure.kind if isinstance(failure, RedisError) else type(failure).__name__
        if kind not in OF_ONE:
            self._refusal, self._until = str(failure), now + DOUBTED_S
        if now < self._next.get(kind, now):
            return
        self._next[kind] = now + SAY_AGAIN_S
        if not isinstance(failure, RedisError):
            logger.error("budgets.redis.failed %r", failure, exc_info=failure)
        elif kind in OUR_FAULT:
            logger.error("budgets.redis.refused %s", failure)
        else:
            logger.warning("budgets.redis.refused %s", failure)
