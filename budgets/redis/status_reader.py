"""Reads from the shared store where callers stand, and asks for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from budgets.admission.interface import ScopeRules
from budgets.redis.recovery.prerequisites import Prerequisites
from budgets.redis.replies import ScriptReply
from budgets.redis.scope_request import ScopeRequest, scope_request

Run = Callable[[str, str, Sequence[Any]], Awaitable[ScriptReply]]


class StatusReader:
    """Of one worker. `run` raises AdmissionUnavailable when the store cannot tell."""

    def __init__(
        self, run: Run, preparation: Prerequisites, instant: Callable[[], float], longest_s: float
    ) -> None:
        self._run, self._preparation = run, preparation
        self._instant, self._longest_s = instant, longest_s

    async def read(self, scopes: Sequence[ScopeRules]) -> tuple[ScopeRequest, ScriptReply]:
        """Return the answer and what it answers; one round trip where all is known. Raises AdmissionUnavailable."""
        deadline = asyncio.get_running_loop().time() + self._longest_s
        while True:
            want = scope_request(scopes, self._instant())
            reply = await self._run("standing", want.tag, [want.packed])
            if reply.status == "read":
                return want, reply
            await self._preparation.satisfy(reply, want, deadline)
