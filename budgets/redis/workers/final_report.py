"""The final report of a worker that cannot reach Redis: what it holds, written once into the database.

When Redis has lost its data meanwhile, other workers count that as held and serve at once, instead of waiting for this
one. From before the report is written until it is cleared in the database, the worker sends Redis no command and
accepts no grant from it, so that nothing that it holds grows. A stored report is an upper bound, however old it is; one
that may be stored is cleared before Redis is used again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from typing_extensions import override

from budgets.admission.interface import AdmissionUnavailable
from budgets.redis.client.connection import RedisConnection
from budgets.redis.client.protocol import Unreachable, Unsent
from budgets.redis.commands import ADMIT, RAISE_HOLD, RESTORE_ALLOWANCES, RESTORE_HOLDS, Run
from budgets.redis.held_calls import HeldCall
from budgets.redis.outbox import BATCH, KEEP_SETTLED_S, LEASE_S, ORPHAN_S
from budgets.redis.scope_request import batches
from budgets.redis.workers.worker_registry import SILENT_S

logger = logging.getLogger(__name__)
GROWS = frozenset({ADMIT.name, RAISE_HOLD.name})
WRITE_S = 3.0


class ReportStore(Protocol):
    """Stores reports by worker (gateway/supervisor/worker_rows.py). A late write is ignored: `serial` rises."""

    async def write(self, text: str, serial: int) -> bool:
        """Store it. False: certainly not stored. Raises where the outcome is unknown."""
        ...

    async def clear(self, serial: int) -> None:
        """Clear it. Raises where the outcome is unknown."""
        ...

    async def read(self, workers: Sequence[str]) -> Mapping[str, str]:
        """Return the reports of these workers; a missing or empty one is no report."""
        ...


class NoReportStore(ReportStore):
    """There is no store: silent workers are waited for."""

    @override
    async def write(self, text: str, serial: int) -> bool:
        return False

    @override
    async def clear(self, serial: int) -> None:
        return None

    @override
    async def read(self, workers: Sequence[str]) -> Mapping[str, str]:
        return {}


class Holdings(msgspec.Struct, frozen=True):
    """By tenant tag: calls as the scripts store them (id, row, ...), and outage allowances (scope, amount, ...)."""

    calls: dict[str, list[Any]]
    aside: dict[str, list[Any]]


class Allowances(Protocol):
    """What is needed of the worker's allowances (budgets/redis/workers/outage_allowance.py)."""

    def left(self) -> dict[str, list[Any]]: ...


class FinalReport:
    """One per worker. `is_written_or_pending`: it is written, or may be, or is about to be: no hold may grow."""

    def __init__(
        self,
        run: Run,
        connection: RedisConnection,
        calls: dict[str, HeldCall],
        notes: ReportStore,
        worker: str,
    ) -> None:
        self._run, self._connection, self._calls = run, connection, calls
        self._notes, self._worker = notes, worker
        self.is_written_or_pending = self._is_written = self._was_down = False
        self._serial = 0

    def note_command(self, script: str, *, is_sent: bool = False) -> None:
        """Refuse commands while `is_written_or_pending`, and grants that were requested before. Raises Unreachable."""
        if self.is_written_or_pending and not is_sent:
            raise Unsent
        if self.is_written_or_pending and script in GROWS:
            raise Unreachable

    async def tick(self, allowances: Allowances) -> None:
        """Called once a second, and first of all after a reconnect. Raises what the database raises."""
        was_down, self._was_down = self._was_down, not self._connection.is_up
        if self._connection.is_up:
            if self.is_written_or_pending:
                async with asyncio.timeout(WRITE_S):
                    await self._notes.clear(self._next())
                self.is_written_or_pending = self._is_written = False
        elif was_down and not self._is_written:
            await self._write(allowances)

    async def stand_in(self, tag: str, workers: Sequence[str]) -> set[str]:
        """Send Redis what these workers hold of a tenant, as far as they left a report; return those that did.

        Call it after the tenant was closed: a worker that clears its report later is granted nothing before it is
        open. One that clears it while it is sent may have ended calls of it: then the recovery is repeated. Raises
        AdmissionUnavailable, Unreachable, and what the database raises.
        """
        found, words = set(), await self._notes.read(workers)
        for worker, text in words.items():
            if text:
                held = msgspec.json.decode(text, type=Holdings)
                for some in batches(held.calls.get(tag, []), 2 * BATCH):
                    await self._run(RESTORE_HOLDS, tag, [LEASE_S, ORPHAN_S, KEEP_SETTLED_S, some])
                if tag in held.aside:
                    await self._run(RESTORE_ALLOWANCES, tag, [worker, int(SILENT_S), held.aside[tag]])
                found.add(worker)
        if found and await self._notes.read(workers) != words:
            raise AdmissionUnavailable
        return found

    async def _write(self, allowances: Allowances) -> None:
        self.is_written_or_pending = True
        calls: dict[str, list[Any]] = defaultdict(list)
        for call in self._calls.values():
            if call.is_worth_telling:
                calls[call.want.tag] += [call.request_id, call.row(self._worker)]
        unknown = [call for call in self._calls.values() if call.is_unknown]
        for call in unknown:
            call.is_unknown = False  # another worker may send it to Redis
        text = msgspec.json.encode(Holdings(calls, allowances.left())).decode()
        async with asyncio.timeout(WRITE_S):
            self._is_written = await self._notes.write(text, self._next())
        self.is_written_or_pending = self._is_written
        for call in unknown:
            call.is_unknown = not self._is_written
        if self._is_written:
            logger.warning("redis.final_report.written", extra={"calls": len(self._calls)})

    def _next(self) -> int:
        self._serial += 1
        return self._serial
