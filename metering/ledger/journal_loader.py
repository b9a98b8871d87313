"""Moves calls from a journal directory to the ledger, in an order that survives a crash anywhere. Blocking.

Row committed, counters updated, cursor durable, segment unlinked: always in this order, so that an interrupted
step is repeated, and repeating it changes nothing.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, NamedTuple

from django.db import DataError, IntegrityError, connections

from gateway.values.fallback_log import FALLBACKS
from metering import failpoints
from metering.journal.frames import encode
from metering.journal.reader import JournalReader
from metering.ledger import write as ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budgets.admission.interface import WindowTotal
    from metering.journal.reader import Call, OpenCall
    from metering.journal.segments import Directory, Position

BATCH = 500
REFUSED = (DataError, IntegrityError, OverflowError, ValueError)  # permanent, in every process
logger = logging.getLogger(__name__)
_CARRY_BEHIND = (
    4  # segments; a call that runs longer is written again at the end, so that old files can be removed
)


class Batch(NamedTuple):
    """Calls that are in the ledger now, the windows' totals, and where the journal was read up to."""

    calls: list[Call]
    posts: list[WindowTotal]
    position: Position


class JournalLoader:
    """Loads one directory into the ledger. Used by one thread, which has its own database connection."""

    def __init__(self, directory: Directory, using: str = "default") -> None:
        self.directory = directory
        self.reader = JournalReader(directory)
        self.rejected: list[str] = []
        self._using = using
        self._calls: list[Call] = []  # read, and not in the ledger yet

    def write(self, until: Position) -> Batch:
        """Write the next calls to the ledger. After an error the same calls are tried again."""
        if not self._calls:
            self._calls = self.reader.read(until, BATCH)
        posts = self.insert(self._calls) if self._calls else []
        calls, self._calls = self._calls, []
        return Batch(calls, posts, self.reader.position)

    def settle(self) -> None:
        """After the counters were updated: store the cursor durably, then remove the segments nothing depends on."""
        done = [n for n in self.directory.segments() if n < self.reader.oldest_segment]
        failpoints.reach("before_cursor")
        self.directory.note_cursor(self.reader.position, durable=bool(done))
        failpoints.reach("before_unlink")
        for number in done:
            self.directory.remove_segment(number, keep_as_corrupt=number in self._damaged())

    def remove(self) -> None:
        """Delete an ended process's directory, now that the ledger has it; damaged files are kept for inspection."""
        for number in self._damaged() & set(self.directory.segments()):
            self.directory.remove_segment(number, keep_as_corrupt=True)
        self.directory.remove()

    def long_running(self) -> list[OpenCall]:
        """Return the running calls whose OPEN keeps old segments from removal."""
        behind = self.reader.position.segment - _CARRY_BEHIND
        if self.reader.oldest_segment > behind:
            return []
        return [call for call in self.reader.running.values() if call.segment <= behind]

    def insert(self, calls: Sequence[Call]) -> list[WindowTotal]:
        """Write calls to the ledger; one that the database never accepts must not block the others."""
        self._sync_commits()
        try:
            return ledger.write(calls, self._using).posts
        except REFUSED:
            if len(calls) == 1:
                return self._insert_bare(calls[0])
            half = len(calls) // 2
            return [*self.insert(calls[:half]), *self.insert(calls[half:])]

    def _insert_bare(self, call: Call) -> list[WindowTotal]:
        """Keep the money and drop the texts: what a database refuses is most likely in the documents."""
        FALLBACKS.note("ledger_row_documents", call.open.id)
        try:
            return ledger.write([ledger.bare(call)], self._using).posts
        except REFUSED:
            self._reject(call)
            return []

    def disconnect(self) -> None:
        """Close this thread's database connection; the next write opens a new one."""
        connections[self._using].close()

    def _sync_commits(self) -> None:
        """Sync each commit: a cursor must not survive a crash that loses the rows before it; 10 us a batch."""
        connection = connections[self._using]
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA synchronous=FULL")

    def _damaged(self) -> set[int]:
        return {damage.segment for damage in self.reader.damages if not damage.gap.torn}

    def _reject(self, call: Call) -> None:
        """Keep a call that no ledger accepts in a file of its own, for the operator."""
        path = self.directory.path.parent / f"{self.directory.path.name}.rejected"
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, encode(call.open) + encode(call.close))
            os.fdatasync(file)
        finally:
            os.close(file)
        self.rejected.append(call.open.id)
        FALLBACKS.note("ledger_row", call.open.id)
        kept = {"request_id": call.open.id, "path": str(path)}
        logger.exception("ledger.call.rejected", extra=kept)  # noqa: LOG004 - in a handler
