"""Loads totals of windows that Redis does not know yet from the ledger; one load at a time for the same windows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from budgets.admission.interface import AdmissionUnavailable, WindowKey
from budgets.local.window_cache import Load
from budgets.redis.commands import LOAD_TOTALS, Run
from budgets.redis.recovery.scope_tenants import ScopeTenants
from budgets.redis.replies import UnknownWindows
from budgets.redis.rows import PostRow
from budgets.redis.scope_request import ScopeRequest
from gateway.values.tasks import spawn


class WindowLoader:
    """The loads in progress in this worker."""

    def __init__(self, run: Run, load: Load, owners: ScopeTenants) -> None:
        self._run, self._load, self._owners = run, load, owners
        self._tasks: dict[tuple[WindowKey, ...], asyncio.Task[Exception | None]] = {}

    async def load(self, want: ScopeRequest, reply: UnknownWindows, deadline: float) -> None:
        """Return when the windows that the reply names are loaded. Raises AdmissionUnavailable, also at the deadline
        (loop time); the load continues for the next caller.
        """
        keys = tuple(dict.fromkeys(want.bounds[place].key for place in reply.places))
        task = self._tasks.get(keys)
        if task is None:
            task = self._tasks[keys] = spawn(self._learn(want, keys, reply.age))
            task.add_done_callback(lambda _: self._tasks.pop(keys, None))
        now = asyncio.get_running_loop().time()
        done, _ = await asyncio.wait({task}, timeout=max(0.0, deadline - now))
        if not done:
            raise AdmissionUnavailable
        failure = task.result()
        if failure is not None:
            raise AdmissionUnavailable from failure

    async def aclose(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _learn(
        self, want: ScopeRequest, keys: Sequence[WindowKey], age: Sequence[int]
    ) -> Exception | None:
        """Return the exception, not raise it: all waiters may have left."""
        try:
            await self._owners.record(want)  # first: totals posted from now on may be newer than the load
            posts = await self._load(keys)
            packed = [PostRow.of(post) for post in posts]
            await self._run(LOAD_TOTALS, want.tag, [*age, packed])
        except Exception as failure:  # noqa: BLE001 - any error of the ledger or of Redis means "unknown"
            return failure
        return None
