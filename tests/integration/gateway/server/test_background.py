"""What a process does beside its calls, one turn at a time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from gateway.server.background import BackgroundTasks
from metering.journal.segments import Directory


class Admission:
    """As shared admission is seen by who adopts; `is_heard`: Redis is there."""

    def __init__(self):
        self.buried, self.is_heard = [], False

    async def release_worker(self, worker):
        self.buried.append(worker)
        return self.is_heard


async def test_a_journal_is_kept_until_its_worker_is_buried(tmp_path):
    live: Any = SimpleNamespace(admission=Admission(), config=SimpleNamespace(data_dir=tmp_path))
    chores = BackgroundTasks(live, asyncio.to_thread)
    dead = Directory.create(tmp_path / "journal", "dead")
    dead.release()

    await chores.recover_dead_workers()  # who does it may die now: the next one finds the journal
    assert dead.path.exists()

    live.admission.is_heard = True
    await chores.recover_dead_workers()
    assert not dead.path.exists()
    assert live.admission.buried == ["dead", "dead"]

    await chores.recover_dead_workers()
    assert live.admission.buried == ["dead", "dead"]
