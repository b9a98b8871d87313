"""What ended workers have left in Redis: calls that were granted and never journaled, and outage allowances.

The lock of a worker's journal proves that it ended. The lock is kept until the end is recorded, because the process
that records it may end too. Costs nothing until then; then one command a tenant.
"""

from __future__ import annotations

from budgets.redis.client.channel import Channel
from budgets.redis.commands import RELEASE_WORKER, Run
from budgets.redis.outbox import ORPHAN_S, Outbox
from budgets.redis.recovery.scope_tenants import tenants
from budgets.redis.workers.outage_allowance import KEPT_S


class DeadWorkers:
    """Releases ended workers, and finds those that any worker has released."""

    def __init__(self, run: Run, channel: Channel, backlog: Outbox, prefix: str) -> None:
        self._run, self._channel, self._backlog, self._prefix = run, channel, backlog, prefix
        self._connection = channel.connection

    async def release(self, worker: str) -> None:
        """Drop its unjournaled calls and record its end. Raises Unreachable; a repetition does no harm."""
        await self._backlog.flush()  # the costs of its calls are posted before their holds are dropped
        async for tag in tenants(self._connection, self._prefix):
            await self._run(RELEASE_WORKER, tag, [ORPHAN_S, worker])
        await self._connection.call("SET", self._name(worker), 1, "EX", KEPT_S)
        await self._channel.publish(f"leave {worker}")

    async def is_recorded(self, worker: str) -> bool:
        """Return whether its end is recorded. Raises Unreachable."""
        return bool(await self._connection.call("EXISTS", self._name(worker)))

    def _name(self, worker: str) -> str:
        return f"{self._prefix}:buried:{worker}"
