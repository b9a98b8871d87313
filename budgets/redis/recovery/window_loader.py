"""Loads totals of windows that Redis does not know yet from the ledger; one load at a time for the same windows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from budgets.admission.interface import AdmissionUnavailable, WindowKey
from budgets.local.window_cache import Load
from budgets.redis.commands import LOAD_TOTALS, Run
from budgets.redis.recovery.scope_tenants import ScopeTenants
from budgets.redis.replies import UnknownWindows
from budgets.redis.rows import PostRow
from budgets.redis.scope_request import ScopeRequest
from gateway.values.single_flight import SingleFlight


class WindowLoader:
    """The loads in progress in this worker."""

    def __init__(self, run: Run, load: Load, owners: ScopeTenants) -> None:
        self._run, self._load, self._owners = run, load, owners
        self.running: SingleFlight[tuple[WindowKey, ...], None] = SingleFlight()

    async def load(self, want: ScopeRequest, reply: UnknownWindows, deadline: float) -> None:
        """Return when the windows that the reply names are loaded. Raises AdmissionUnavailable, also at the deadline
        (loop time); the load continues for the next caller.
        """
        keys = tuple(dict.fromkeys(want.bounds[place].key for place in reply.places))
        load = partial(self._load_totals, want, keys, reply.age)
        left_s = max(0.0, deadline - asyncio.get_running_loop().time())
        try:
            await self.running.run(keys, load, left_s)
        except Exception as failure:
            raise AdmissionUnavailable from failure  # any error of the ledger or of Redis means "unknown"

    async def aclose(self) -> None:
        await self.running.aclose()

    async def _load_totals(self, want: ScopeRequest, keys: Sequence[WindowKey], age: Sequence[int]) -> None:
        await self._owners.record(want)  # first: totals posted from now on may be newer than the load
        posts = await self._load(keys)
        packed = [PostRow.of(post) for post in posts]
        await self._run(LOAD_TOTALS, want.tag, [*age, packed])
