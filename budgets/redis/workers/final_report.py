"""The last word of a worker that cannot reach Redis: what it holds, said once in the database.

When Redis has lost its data meanwhile, others count that as held and serve at once, instead of waiting until it is
heard again. From before the word is written until it is taken back in the database, the worker asks Redis for nothing
and takes no grant from it, so that nothing that it holds grows. A word that is there is an upper bound, however old it
is; one that may be there is taken back before Redis is asked again.
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
from budgets.redis.held_calls import HeldCall
from budgets.redis.outbox import BATCH, KEEP_SETTLED_S, LEASE_S, ORPHAN_S
from budgets.redis.recovery.recovery import Run
from budgets.redis.scope_request import batches
from budgets.redis.workers.worker_registry import SILENT_S

logger = logging.getLogger(__name__)
GROWS = frozenset({"admit", "top_up"})
WRITE_S = 3.0


class ReportStore(Protocol):
    """Where a word is kept, by worker (gateway/supervisor/worker_rows.py). A late write is ignored: `serial` rises."""

    async def write(self, text: str, serial: int) -> bool:
        """Keep it. False: surely not done. Raises where nobody can tell."""
        ...

    async def clear(self, serial: int) -> None:
        """Take it back. Raises where that is not sure."""
        ...

    async def read(self, workers: Sequence[str]) -> Mapping[str, str]:
        """Return those of these workers; what is not there, or empty, is no word."""
        ...


class NoReportStore(ReportStore):
    """There is no such place: whoever is silent is waited for."""

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
    """By tenant's tag: calls as the scripts keep them (id, row, ...), and what is set aside (scope, amount, ...)."""

    calls: dict[str, list[Any]]
    aside: dict[str, list[Any]]


class SetsAside(Protocol):
    """What is asked of the worker's allowances (budgets/redis/workers/outage_allowance.py)."""

    def left(self) -> dict[str, list[Any]]: ...


class FinalReport:
    """Of one worker. `is_said`: it is written, or may be, or is about to be: nothing may grow."""

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
        self.is_said = self._is_written = self._was_down = False
        self._serial = 0

    def note_command(self, script: str, *, is_sent: bool = False) -> None:
        """Ask for nothing, and take nothing that was asked for before. Raises Unreachable."""
        if self.is_said and not is_sent:
            raise Unsent
        if self.is_said and script in GROWS:
            raise Unreachable

    async def tick(self, aside: SetsAside) -> None:
        """Once a second, and first of all when the connection is there again. Raises what the database does."""
        was_down, self._was_down = self._was_down, not self._connection.is_up
        if self._connection.is_up:
            if self.is_said:
                async with asyncio.timeout(WRITE_S):
                    await self._notes.clear(self._next())
                self.is_said = self._is_written = False
        elif was_down and not self._is_written:
            await self._write(aside)

    async def stand_in(self, tag: str, workers: Sequence[str]) -> set[str]:
        """Tell Redis what these hold of a tenant, as far as they left a word; return who did.

        To be asked after the tenant was closed: who takes its word back later is granted nothing before it is open. Who
        takes it back while it is told may have ended calls of it: then the tenant is started over once more. Raises
        AdmissionUnavailable, Unreachable, and what the database raises.
        """
        found, words = set(), await self._notes.read(workers)
        for worker, text in words.items():
            if text:
                held = msgspec.json.decode(text, type=Holdings)
                for some in batches(held.calls.get(tag, []), 2 * BATCH):
                    await self._run("rehold", tag, [LEASE_S, ORPHAN_S, KEEP_SETTLED_S, some])
                if tag in held.aside:
                    await self._run("aside", tag, [worker, int(SILENT_S), held.aside[tag]])
                found.add(worker)
        if found and await self._notes.read(workers) != words:
            raise AdmissionUnavailable
        return found

    async def _write(self, aside: SetsAside) -> None:
        self.is_said = True
        calls: dict[str, list[Any]] = defaultdict(list)
        for call in self._calls.values():
            if call.is_worth_telling:
                calls[call.want.tag] += [call.request_id, call.row(self._worker)]
        unknown = [call for call in self._calls.values() if call.is_unknown]
        for call in unknown:
            call.is_unknown = False  # somebody may tell Redis of it
        text = msgspec.json.encode(Holdings(calls, aside.left())).decode()
        async with asyncio.timeout(WRITE_S):
            self._is_written = await self._notes.write(text, self._next())
        self.is_said = self._is_written
        for call in unknown:
            call.is_unknown = not self._is_written
        if self._is_written:
            logger.warning(
                "budgets.redis.last-word %d calls are noted: Redis cannot be reached", len(self._calls)
            )

    def _next(self) -> int:
        self._serial += 1
        return self._serial
