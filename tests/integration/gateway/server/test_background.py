"""What a process does beside its calls, one turn at a time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from gateway.server.background import BackgroundTasks
from metering.journal.segments import Directory


class Admission:
    """Shared admission, as crash recovery uses it; `is_heard`: Redis is there."""

    def __init__(self):
        self.released, self.is_heard = [], False

    async def release_worker(self, worker):
        self.released.append(worker)
        return self.is_heard


async def test_journal_is_kept_until_dead_worker_is_released(tmp_path):
    live: Any = SimpleNamespace(admission=Admission(), config=SimpleNamespace(data_dir=tmp_path))
    tasks = BackgroundTasks(live, asyncio.to_thread)
    dead = Directory.create(tmp_path / "journal", "dead")
    dead.release()

    await tasks.recover_dead_workers()  # the adopter may crash now: the next one finds the journal
    assert dead.path.exists()

    live.admission.is_heard = True
    await tasks.recover_dead_workers()
    assert not dead.path.exists()
    assert live.admission.released == ["dead", "dead"]

    await tasks.recover_dead_workers()
    assert live.admission.released == ["dead", "dead"]
