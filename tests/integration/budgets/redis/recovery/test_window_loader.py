"""The database with a window's total does not answer: no call waits longer for it than for other things."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from budgets.admission.interface import AdmissionUnavailable, WindowKey, WindowTotal
from tests.integration.budgets.redis_workers import Crew, rules
from tests.support.stores.redis_server import RedisServer

LIMIT, HOLD = 1000, 10


async def test_a_window_that_the_database_cannot_load_is_refused_in_time(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asyncio.Event()
    async with Crew(redis_server.url, 1) as crew:
        [worker], load = crew.workers, crew.ledger.load
        await crew.ask(rules(0, tenant=80)[1:], 0)  # the tenant is open

        async def late(keys: Sequence[WindowKey]) -> list[WindowTotal]:
            await answers.wait()
            return await load(keys)

        monkeypatch.setattr(worker._prerequisites._learning, "_load", late)  # noqa: SLF001
        scopes = rules(LIMIT, tenant=80)
        asked, read = await asyncio.gather(
            crew.ask(scopes, HOLD), worker.status(scopes), return_exceptions=True
        )
        assert asked == "unavailable"
        assert isinstance(read, AdmissionUnavailable)
        assert not answers.is_set()  # both ended although the database still says nothing
        answers.set()
        assert (await crew.ask(scopes, HOLD)).startswith("call-")
