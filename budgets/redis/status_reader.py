"""Reads the limit status of callers from Redis, without admitting anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import assert_never

from budgets.admission.interface import ScopeRules
from budgets.redis.commands import STATUS, Run
from budgets.redis.recovery.prerequisites import Prerequisites
from budgets.redis.replies import StatusRead, Unprepared
from budgets.redis.scope_request import ScopeRequest, scope_request


class StatusReader:
    """One per worker. `run` raises AdmissionUnavailable when Redis cannot answer."""

    def __init__(
        self, run: Run, preparation: Prerequisites, instant: Callable[[], float], longest_s: float
    ) -> None:
        self._run, self._preparation = run, preparation
        self._instant, self._longest_s = instant, longest_s

    async def read(self, scopes: Sequence[ScopeRules]) -> tuple[ScopeRequest, StatusRead]:
        """Return the request and its reply; one round trip where all windows are known. Raises AdmissionUnavailable."""
        deadline = asyncio.get_running_loop().time() + self._longest_s
        while True:
            want = scope_request(scopes, self._instant())
            reply = await self._run(STATUS, want.tag, [want.packed])
            match reply:
                case StatusRead():
                    return want, reply
                case Unprepared():
                    await self._preparation.satisfy(reply, want, deadline)
                case _:
                    assert_never(reply)
