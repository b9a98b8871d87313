"""What a process does beside its calls, one turn at a time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from gateway import chores
from gateway.chores import Chores


class Admission:
    def __init__(self):
        self.buried = []

    async def bury(self, workers):
        self.buried += workers


async def test_who_was_adopted_is_buried_although_the_turn_failed(tmp_path, monkeypatch):
    live: Any = SimpleNamespace(admission=Admission(), config=SimpleNamespace(data_dir=tmp_path))

    def adopt(root, using, tell, gone):
        gone("dead")
        raise OperationalError

    monkeypatch.setattr(chores, "adopt", adopt)
    with pytest.raises(OperationalError):
        await Chores(live, asyncio.to_thread).adopt_the_dead()
    assert live.admission.buried == ["dead"]
