"""The clock of a whole gateway is set back an hour under load, and forward again: nothing freezes, doubles or is lost.

In production mode (make test-production) the stores keep the true time, as other machines would.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import pytest

from tests.support import sample
from tests.support.books.ledger import committed, whole_ledger
from tests.support.books.money import NANO, limit_status, settled, windows
from tests.support.clients.raw_calls import ask, question
from tests.support.faults.shifted_clock import ShiftedClock

pytestmark = pytest.mark.both_modes

HOUR = 3600
LIMITED, PAYING = "sk-limited.limited-secret", "sk-paying.paying-secret"
RPM, CENTS = 5, 120


def same_window():
    """Return a schedule whose window has no border within a day: an hour ago may have been another month."""
    today = datetime.now(UTC).date().toordinal() - date(1970, 1, 1).toordinal()
    return next(f"every_{days}d" for days in range(366, 3, -1) if 1 < today % days < days - 1)


def config(endpoint):
    cent = {"price_input": 0, "price_output": 0, "pricing": {"request": 0.01}}
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row("cent", "up-clock-cent", endpoint, **cent),
            sample.row("long", "up-clock-long", endpoint, **cent),
        ],
        "bootstrap": {
            "tenants": [{"name": "timely"}],
            "tenant_budgets": [
                {"tenant": "timely", "budget_usd": CENTS / 100, "refresh_schedule": same_window()}
            ],
            "api_keys": [
                sample.key("timely", LIMITED, rate_limit={"requests_per_minute": RPM}),
                sample.key("timely", PAYING),
            ],
        },
    }


@pytest.fixture
def clock(tmp_path):
    return ShiftedClock(tmp_path / "clock")


async def paid(gateway, count):
    """Make calls that must all be served."""
    answers = [await ask(gateway.url, PAYING, question("cent")) for _ in range(count)]
    assert {answer.status for answer in answers} == {200}
    return [answer.id for answer in answers]


async def is_limited(gateway):
    """Insist that the minute's calls are used up, and not for longer than a minute."""
    answer = await ask(gateway.url, LIMITED, question("cent"))
    assert (answer.status, answer.error["limit"]["rule"]) == (429, "requests")
    assert 0 < answer.error["limit"]["resets_in_ms"] <= 62_000  # a minute, and the ring is coarse


def books(gateway, ids):
    """Insist that the ledger has exactly these calls, once, with times in their order; return what they cost."""
    rows = committed(gateway)
    assert sorted(row["id"] for row in rows) == sorted(ids)
    for row in rows:
        assert datetime.fromisoformat(row["finished_at"]) >= datetime.fromisoformat(row["started_at"]), row
        assert 0 <= row["latency_ms"] < 60_000, row
    return sum(row["cost_nanousd"] for row in rows)


@pytest.mark.timeout(180)
async def test_clock_steps_of_an_hour_freeze_and_double_no_amounts(gateway_factory, upstream, clock):
    upstream.script("up-clock-cent", {})
    upstream.script("up-clock-long", {"chunks": 6, "hold_after": 3})
    gateway = gateway_factory(config(upstream.base_url), bare=True, env=clock.environment)
    ids = await nothing_freezes_or_doubles(gateway, upstream, clock)
    clock.step(0)
    await a_killed_one_adopts_its_journal_after_the_step(gateway, upstream, clock, ids)
    gateway.manage("reconcile")


async def nothing_freezes_or_doubles(gateway, upstream, clock):
    """Step while calls run; return the ids of all calls."""
    ids = await paid(gateway, 10)
    ids += [(await ask(gateway.url, LIMITED, question("cent"))).id for _ in range(RPM)]
    await is_limited(gateway)
    kept = {"idempotency-key": "before"}
    first = await ask(gateway.url, PAYING, question("cent"), headers=kept)
    running = asyncio.create_task(ask(gateway.url, PAYING, question("long", stream=True)))
    await upstream.wait("chunk", model="up-clock-long", count=3)

    for shift in (-HOUR, 0, HOUR, 0):
        clock.step(shift)
        await is_limited(gateway)
        ids += await paid(gateway, 10)
    clock.step(-HOUR)
    assert (await ask(gateway.url, PAYING, question("cent"), headers=kept)).body == first.body
    upstream.release(model="up-clock-long")
    whole = await running
    assert whole.saw_the_end
    ids += [first.id, whole.id]
    await settled(gateway)

    spent = books(gateway, ids)
    assert spent == len(ids) * NANO // 100 == sum(windows(gateway).values())
    assert (await limit_status(gateway, PAYING))["held"] == 0
    assert not [record for record in gateway.records() if record.get("level") == "error"]
    return ids


async def a_killed_one_adopts_its_journal_after_the_step(gateway, upstream, clock, ids):
    ids += await paid(gateway, 20)
    before = len(upstream.seen(model="up-clock-long"))
    running = asyncio.create_task(ask(gateway.url, PAYING, question("long", stream=True)))
    [*_, cut] = await upstream.wait("arrived", model="up-clock-long", count=before + 1)
    await upstream.wait("chunk", call=cut["id"], count=3)
    gateway.kill()
    await running
    clock.step(-HOUR)
    gateway.start()
    ids += await paid(gateway, 20)
    rows = {row["id"]: row["status"] for row in await whole_ledger(gateway)}
    assert rows == dict.fromkeys(ids, "ok") | {cut["id"]: "incomplete"}
    assert (await limit_status(gateway, PAYING))["spent"] == len(rows) * NANO // 100


async def spend(gateways):
    """Ask both in turn until every answer is that there is no money left; return how many calls were served."""
    served, refused = 0, 0
    while refused < 16:
        answers = await asyncio.gather(
            *(ask(gateway.url, PAYING, question("cent")) for gateway in gateways * 8)
        )
        served += sum(answer.status == 200 for answer in answers)
        codes = [answer.error["code"] for answer in answers if answer.status != 200]
        assert set(codes) <= {"insufficient_quota", "limiter_unavailable"}  # Redis is late on a busy machine
        refused = codes.count("insufficient_quota")
    return served


@pytest.mark.runs_once  # on stores of its own: the second run would be the same
@pytest.mark.timeout(180)
async def test_two_gateways_whose_clocks_differ_by_ten_minutes_keep_one_limit_and_one_budget(
    gateway_factory, upstream, clock, isolated_stores
):
    upstream.script("up-clock-cent", {})
    plan = {**config(upstream.base_url), "server": {"graceful_shutdown_delay": "5s", "workers": 1}}
    true = gateway_factory(plan, bare=True, env=isolated_stores)
    clock.step(600)
    late = gateway_factory(plan, bare=True, env=isolated_stores | clock.environment)

    limited = [ask(gateway.url, LIMITED, question("cent")) for gateway in (true, late) * 20]
    statuses = [answer.status for answer in await asyncio.gather(*limited)]
    assert (statuses.count(200), statuses.count(429)) == (RPM, 40 - RPM)
    assert await spend((true, late)) == CENTS - RPM
    for gateway in (true, late):
        await settled(gateway)
        assert (await limit_status(gateway, PAYING))["spent"] == CENTS * NANO // 100
    assert len(committed(true)) == CENTS
    true.manage("reconcile")
