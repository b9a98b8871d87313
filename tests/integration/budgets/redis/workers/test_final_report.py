"""Redis has lost its data and one worker cannot reach it: its final report is held, the others serve."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from budgets.admission.interface import AdmissionRequest, AdmissionUnavailable, BudgetRefused
from tests.integration.budgets.redis.test_admission_losses import (
    all_that_fits,
    eventually_granted,
    lose_everything,
    outcome,
)
from tests.integration.budgets.redis_workers import Crew, rules
from tests.integration.budgets.storm import Storm
from tests.support.faults.tcp_proxy import Link
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

LIMIT, HOLD = 1000, 10
RICH = 10**12  # nano-USD: something is set aside of it


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done once a second is done five times as often."""
    monkeypatch.setattr("budgets.redis.workers.maintenance.TEND_S", 0.2)
    for name in ("ASK_AGAIN_S", "LOOK_AGAIN_S"):
        monkeypatch.setattr(f"budgets.redis.recovery.recovery.{name}", 0.1)


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[Link]:
    """Yield the second worker's way to Redis."""
    async with Link(redis_server.port) as one:
        yield one


@pytest.fixture
async def crew(redis_server: RedisServer, link: Link) -> AsyncIterator[Crew]:
    async with Crew((redis_server.url, link.url), 2, 0.2, has_notes=True) as two:
        yield two


async def cut_off(crew: Crew, link: Link) -> None:
    """Return when the second worker has written its final report."""
    await link.cut()
    await eventually(lambda: crew.workers[1].worker in crew.said)


async def test_holds_of_a_silent_worker_are_counted_without_waiting_for_it(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=70)
    running = await crew.burst(scopes, HOLD, 60)
    await cut_off(crew, link)
    await lose_everything(redis_server)
    await eventually_granted(crew.workers[0], scopes)
    served = await all_that_fits(crew, scopes)
    assert len(running) + 1 + served == LIMIT // HOLD
    await link.mend()
    await eventually(lambda: crew.workers[1].worker not in crew.said)
    for name in running:
        await crew.settle(name, 8)  # all of them, each once
    again = await all_that_fits(crew, scopes)  # those that were served are asked again, and known
    assert again - served == len(running) * (HOLD - 8) // HOLD


async def test_a_loss_before_the_final_report_is_waited_for(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=71)
    running = await crew.burst(scopes, HOLD, 60)
    await link.cut()
    await lose_everything(redis_server)
    await eventually_granted(crew.workers[0], scopes)
    assert len(running) + 1 + await all_that_fits(crew, scopes) == LIMIT // HOLD


async def test_calls_that_end_after_the_final_report_are_counted_once(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=72)
    running = await crew.burst(scopes, HOLD, 60)
    await asyncio.gather(*(crew.settle(name, 9) for name in running[:20]))
    await cut_off(crew, link)
    await lose_everything(redis_server)
    await asyncio.gather(*(crew.settle(name, 8) for name in running[20:]))
    await eventually_granted(crew.workers[0], scopes)
    served = await all_that_fits(crew, scopes)
    assert (served + 1) * HOLD + 20 * 9 + 40 * 8 <= LIMIT
    await link.mend()
    await eventually(lambda: crew.workers[1].worker not in crew.said)
    limit_status = await crew.workers[0].status(scopes)

    async def spent() -> int:
        nonlocal limit_status
        limit_status = await crew.workers[0].status(scopes)
        assert limit_status.budget is not None
        return limit_status.budget.spent_nanousd

    await eventually(spent, lambda found: found == 20 * 9 + 40 * 8)
    assert limit_status.budget is not None
    assert limit_status.budget.held_nanousd == (served + 1) * HOLD


async def test_the_reserve_of_a_silent_worker_is_not_spent_by_others(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(RICH, tenant=73)
    silent = crew.workers[1]
    await silent.admit(AdmissionRequest("first", scopes, 1, 0))
    aside = RICH // 1000  # a dollar, the most of it
    await eventually(lambda: sum(silent._allowances.left().get("t73", [0])[1::2]) == aside)  # noqa: SLF001
    await cut_off(crew, link)
    await lose_everything(redis_server)
    await eventually_granted(crew.workers[0], scopes)
    await silent.admit(AdmissionRequest("offline", scopes, 1, aside))
    with pytest.raises(AdmissionUnavailable):  # unknown: it is being spent
        await crew.workers[0].admit(AdmissionRequest("all of it", scopes, 1, RICH - HOLD))
    await crew.workers[0].admit(AdmissionRequest("the rest", scopes, 1, RICH - 2 * HOLD - aside))
    await link.mend()
    await eventually(lambda: crew.workers[1].worker not in crew.said)

    async def held() -> int:
        limit_status = await crew.workers[0].status(scopes)
        assert limit_status.budget is not None
        return limit_status.budget.held_nanousd

    await eventually(held, lambda found: found == RICH - HOLD)


async def test_worker_is_granted_nothing_before_its_final_report_is_withdrawn(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=74)
    await crew.burst(scopes, HOLD, 60)
    silent, notes = crew.workers[1], crew.notes[1]
    await cut_off(crew, link)
    notes.fails = ConnectionError
    await link.mend()
    await eventually(lambda: silent.is_up)
    assert await outcome(silent, scopes, "too-early") == "unavailable"
    with pytest.raises(AdmissionUnavailable):
        await silent.raise_hold("call-1", HOLD + 1)
    await lose_everything(redis_server)
    await eventually_granted(crew.workers[0], scopes)
    notes.fails = None
    await eventually_granted(silent, scopes)
    assert 60 + 1 + await all_that_fits(crew, scopes) == LIMIT // HOLD


async def test_grant_that_arrives_after_the_final_report_is_not_used(link: Link, crew: Crew) -> None:
    scopes = rules(LIMIT, tenant=75)
    await crew.burst(scopes, HOLD, 2)
    silent = crew.workers[1]
    link.late_s = 0.1
    asking = asyncio.ensure_future(outcome(silent, scopes, "late"))
    await asyncio.sleep(0)
    silent._report.is_written_or_pending = True  # noqa: SLF001 - it is being written
    assert await asking == "unavailable"
    assert "late" not in silent._calls  # noqa: SLF001
    link.late_s = 0.0
    await eventually_granted(silent, scopes)

    async def held() -> int:
        limit_status = await crew.workers[0].status(scopes)
        assert limit_status.budget is not None
        return limit_status.budget.held_nanousd

    await eventually(held, lambda found: found == 3 * HOLD)  # the late one was given back


async def test_final_report_that_cannot_be_written_does_not_count(
    redis_server: RedisServer, link: Link, crew: Crew
) -> None:
    scopes = rules(LIMIT, tenant=76)
    await crew.burst(scopes, HOLD, 60)
    crew.notes[1].fails = ConnectionError
    await link.cut()
    await lose_everything(redis_server)
    assert await outcome(crew.workers[0], scopes, "too-early") == "unavailable"  # after a second
    crew.notes[1].fails = None
    await eventually_granted(crew.workers[0], scopes)
    with pytest.raises(BudgetRefused):
        await crew.workers[0].admit(AdmissionRequest("too much", scopes, 1, LIMIT - 60 * HOLD))


async def test_a_final_report_withdrawn_while_it_is_entered_is_entered_again(
    link: Link, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reported calls may have ended by then, and would be held for minutes."""
    scopes = rules(LIMIT, tenant=77)
    await crew.burst(scopes, HOLD, 2)
    await cut_off(crew, link)
    word, kept = crew.workers[0]._report, crew.said  # noqa: SLF001
    silent, text = crew.workers[1].worker, kept[crew.workers[1].worker]
    answers = iter(({silent: text}, {}))

    async def read(_: object) -> dict[str, str]:
        return next(answers)

    monkeypatch.setattr(crew.notes[0], "read", read)  # it is taken back in between
    with pytest.raises(AdmissionUnavailable):
        await word.stand_in("t77", [silent])


@pytest.mark.parametrize("seed", range(3))
async def test_budget_is_spent_to_the_last_cent_with_final_reports_under_random_faults(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Everything is thirty times as fast, so that reports are written, entered and removed all the time."""
    monkeypatch.setattr("budgets.redis.workers.maintenance.TEND_S", 0.03)
    for name in ("ASK_AGAIN_S", "LOOK_AGAIN_S"):
        monkeypatch.setattr(f"budgets.redis.recovery.recovery.{name}", 0.03)
    async with Storm(redis_server, 720 + seed, random.Random(seed), has_notes=True) as storm:
        await storm.rage()
        await storm.spend_the_rest()
    assert storm.overspent == [], storm.heard
    assert storm.spent == storm.limit
