"""Which workers may have been granted calls by Redis: one database row each, from before the first call until nothing
of it can be missed.

Redis loses the list of workers together with their holds; a worker that starts over then reads this table, not times of
last contact. A row is deleted soon after a sign-off, after the journal's adoption, or after 270 s of silence.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from django.db import DatabaseError

from gateway.models import ServingWorker
from gateway.stores.database_threads import InDatabase
from gateway.values.fallback_log import FALLBACKS

logger = logging.getLogger(__name__)


class WorkerRegistry(Protocol):
    """The part of the worker registry that is needed here (budgets/redis/workers/worker_registry.py)."""

    def lost(self, members: Mapping[str, str]) -> set[str]: ...


def read() -> dict[str, str]:
    """Return where each worker was born, by name. Blocking, like all of these."""
    return dict(ServingWorker.objects.values_list("name", "born_in"))


def enroll(name: str, born_in: str) -> None:
    ServingWorker.objects.get_or_create(name=name, defaults={"born_in": born_in})


def write_holds(name: str, text: str, serial: int) -> bool:
    """Write the holds of a worker that cannot reach Redis. False: surely not done; raises where the outcome is unknown.

    `serial` is higher each time, so that a late write of the database does not undo what came after it.
    """
    own_row = ServingWorker.objects.filter(name=name, holds_serial__lt=serial)
    try:
        if not own_row.exists():  # and the database can be reached
            return False
    except DatabaseError as fault:
        FALLBACKS.note("last_word", fault)
        return False
    return bool(own_row.update(holds=text, holds_serial=serial))


def clear_holds(name: str, serial: int) -> None:
    ServingWorker.objects.filter(name=name).update(holds="", holds_serial=serial)


def read_holds(names: Sequence[str]) -> dict[str, str]:
    return dict(ServingWorker.objects.filter(name__in=names).exclude(holds="").values_list("name", "holds"))


def delete_rows(*names: str) -> None:
    ServingWorker.objects.filter(name__in=names).delete()


class WorkerRows:
    """This worker's own row, and those that no other process deletes."""

    def __init__(self, name: str, in_database: InDatabase) -> None:
        self._name, self._in_database = name, in_database

    async def members(self) -> Mapping[str, str]:
        found: dict[str, str] = await self._in_database(read)
        return found

    async def write(self, text: str, serial: int) -> bool:
        """Like Notes in budgets/redis/workers/final_report.py, all three."""
        is_written: bool = await self._in_database(write_holds, self._name, text, serial)
        return is_written

    async def clear(self, serial: int) -> None:
        await self._in_database(clear_holds, self._name, serial)

    async def read(self, workers: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = await self._in_database(read_holds, workers)
        return found

    async def insert_own(self, born_in: str) -> None:
        """Insert the row: before the first grant, and once the journal exists, whose adoption deletes the row."""
        await self._in_database(enroll, self._name, born_in)

    async def delete_lost(self, registry: WorkerRegistry) -> None:
        """Delete the rows of silent workers; write this worker's own again, if it was considered silent."""
        members = await self.members()
        if lost := registry.lost(members):
            logger.warning("worker.lost", extra={"workers": sorted(lost)})
            await self._in_database(delete_rows, *lost)
        if self._name not in members:
            await self._in_database(enroll, self._name, "")

    async def delete_own(self) -> None:
        """Report that nothing of this worker can be missed any more. Without a database the others find that out."""
        try:
            await self._in_database(delete_rows, self._name)
        except DatabaseError:
            logger.warning("worker.row.not_deleted", extra={"worker": self._name})
