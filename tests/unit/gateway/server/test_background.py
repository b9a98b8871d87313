from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db import OperationalError

from gateway.config import Config
from gateway.server import background
from gateway.server.background import BackgroundTasks
from metering.inflight import InFlightCalls
from tests.support.logged import logged
from tests.support.waiting import eventually


async def test_key_cache_is_cleared_before_revoked_calls_are_stopped():
    happened: list[str] = []

    async def in_database(_: object, keys: set[int]) -> dict[int, str]:
        return {key: "key_revoked" for key in keys if key == 7}

    def call(key_id: int) -> Any:
        record, caller = SimpleNamespace(id=f"call of {key_id}"), SimpleNamespace(key_id=key_id)
        return SimpleNamespace(record=record, caller=caller, stop=happened.append)

    running = InFlightCalls()
    keys = SimpleNamespace(clear=lambda: happened.append("unknown"))
    tasks = BackgroundTasks(cast("Any", SimpleNamespace(in_flight=running, key_cache=keys)), in_database)
    running.add(call(8))
    await tasks._stop_revoked_calls()  # noqa: SLF001
    assert happened == []
    running.add(call(7))
    await tasks._stop_revoked_calls()  # noqa: SLF001
    assert happened == ["unknown", "key_revoked"]


async def test_running_calls_are_checked_twice_within_the_promised_two_seconds(monkeypatch):
    periods: dict[str, float] = {}

    async def every(seconds: float, work: Any) -> None:
        periods[work.__name__] = seconds

    monkeypatch.setattr(background, "_every", every)
    idle = SimpleNamespace(run=lambda: asyncio.sleep(0))
    config = Config()
    live: Any = SimpleNamespace(
        config_watcher=idle,
        shadow_traffic=idle,
        load_shedder=None,
        health_hints=None,
        config=config,
        request_log=None,
    )
    tasks = BackgroundTasks(live, asyncio.to_thread).start()
    await eventually(lambda: {"_stop_revoked_calls", "_show_unsettled"} <= periods.keys())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert periods["_show_unsettled"] == 10.0
    assert periods["_stop_revoked_calls"] * 2 == config.streams.revoke_check == 2.0


async def test_a_turn_that_fails_is_counted_and_the_next_one_comes(fallbacks):
    turns: list[bool] = []

    async def _look():
        turns.append(True)
        if len(turns) == 1:
            raise OSError("away")

    looking = asyncio.create_task(background._every(0.0, _look))  # noqa: SLF001
    await eventually(lambda: len(turns) >= 3)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert fallbacks() == {"look": 1}


@pytest.mark.parametrize(("error", "noted"), [(None, {}), (OperationalError("away"), {"adopt_at_once": 1})])
async def test_a_journal_that_cannot_be_adopted_at_once_is_counted(fallbacks, tmp_path, error, noted):
    async def in_database(*_: object) -> None:
        if error is not None:
            raise error

    live: Any = SimpleNamespace(config=SimpleNamespace(data_dir=tmp_path))
    await BackgroundTasks(live, in_database).recover_now()
    assert fallbacks() == noted


async def test_work_that_ends_for_good_is_counted_and_logged(fallbacks, monkeypatch, caplog):
    """Work that fails by itself, not a turn of it; being cancelled is no failure."""

    async def every(_seconds: float, _work: Any) -> None:
        await asyncio.Event().wait()

    async def hear_changes() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(background, "_every", every)
    monkeypatch.setattr(background, "_watch_lag", lambda _: every(0.0, None))
    idle = SimpleNamespace(run=lambda: asyncio.sleep(0))
    live: Any = SimpleNamespace(
        config_watcher=SimpleNamespace(run=hear_changes),
        shadow_traffic=idle,
        load_shedder=None,
        health_hints=None,
        config=Config(),
        request_log=None,
    )
    tasks = BackgroundTasks(live, asyncio.to_thread).start()
    await eventually(fallbacks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    [(name, times)] = fallbacks().items()
    assert (name.rpartition(".")[2], times) == ("hear_changes", 1)
    assert logged(caplog, "periodic_work.ended") == [{"work": name}]
