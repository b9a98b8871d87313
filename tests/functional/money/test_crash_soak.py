"""SIGKILL at random moments under load, again and again; then the provider's own books are compared with the ledger.

Rounds: three in every run, with one seed; thirty in `make soak`, with another each time. The seed is printed.
"""

from __future__ import annotations

import asyncio
import random
import secrets

import pytest

from metering.ledger.crash_recovery import DIED
from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.books.money import NANO, limit_status, nanousd, settled
from tests.support.clients.raw_calls import RawAnswer, ask, question
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

KEY = "sk-torture.torture-secret"
CLIENTS = 50
PROMPT = 10
PAUSE_S = 0.02
TOKENS = 60
MOST_TOKENS = 200  # four seconds: such streams rarely end
A_SECOND_OF_TOKENS = round(1 / PAUSE_S)
UNDER_WAY = 15  # in sockets, and while a busy machine lets the gateway wait


def config(upstream, limit_nanousd=50 * NANO):
    return {
        **sample.NO_LIMITS,
        "model_catalog": [sample.row("doomed", "up-doomed", upstream.base_url)],
        "bootstrap": {
            "tenants": [{"name": "torture"}],
            "api_keys": [sample.key("torture", KEY)],
            "tenant_budgets": [{"tenant": "torture", "budget_usd": limit_nanousd / NANO}],
        },
    }


async def client(gateway, dice, answers):
    """Call until the gateway is killed; some calls are streams, some clients disconnect."""
    while True:
        stream = dice.random() < 0.7
        leave = dice.randrange(1, 40) if stream and dice.random() < 0.2 else None
        body = question("doomed", stream=stream, max_tokens=dice.choice((5, 40, MOST_TOKENS)))
        answer = await ask(gateway.url, KEY, body, leave_after=leave)
        if answer.id:
            answers.append(answer)
        if not answer.status:
            return


async def one_round(gateway, dice, answers):
    clients = [asyncio.create_task(client(gateway, dice, answers)) for _ in range(CLIENTS)]
    so_far, more = len(answers), dice.randrange(20, 100)  # the moment of death is the point
    await eventually(lambda: len(answers) - so_far, lambda came: came >= more)
    gateway.kill()
    await asyncio.gather(*clients)
    gateway.start()


def finished(ledger):
    return {call: row for call, row in ledger.items() if row["status"] == "ok"}


def compare(ledger, bills, answers):
    """Hold the ledger against the provider's books and against what clients saw."""
    assert set(bills) <= set(ledger)
    for call in ledger.keys() - bills.keys():  # written down, and killed before a byte was sent
        assert (ledger[call]["error_code"], ledger[call]["output_tokens"]) == (DIED, 0)
    for answer in answers:
        if answer.saw_the_end:
            assert ledger[answer.id]["status"] == "ok", answer.id
    for call, [attempt] in bills.items():
        row, bill = ledger[call], attempt["bill"]
        used = (row["input_tokens"], row["output_tokens"])
        assert row["cost_nanousd"] == used[0] * sample.INPUT_NANOUSD + used[1] * sample.OUTPUT_NANOUSD
        if row["status"] == "ok":
            assert not row["estimated"]
            assert used == (bill["prompt_tokens"], bill["completion_tokens"])
        else:
            # The usage is known, if the answer was journaled before the kill.
            assert row["estimated"] or used == (bill["prompt_tokens"], bill["completion_tokens"])
            assert row["status"] in {"cancelled", "incomplete"}
            assert used[1] <= bill["completion_tokens"] + 1  # the upstream counts after it has sent
            truth = (
                bill["prompt_tokens"] * sample.INPUT_NANOUSD
                + bill["completion_tokens"] * sample.OUTPUT_NANOUSD
            )
            assert truth <= row["cost_nanousd"] + row["unsettled_nanousd"], "billed, and no budget counts it"
            lost = bill["completion_tokens"] - used[1]
            # A whole answer that was lost with the gateway was not delivered: it is billed for its prompt.
            assert lost <= A_SECOND_OF_TOKENS + UNDER_WAY or not row["stream"], row


async def torture(gateway, upstream, rounds, seed):
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    dice = random.Random(seed)
    earlier = set(upstream.bills())  # of the other test of this file
    upstream.script("up-doomed", {"chunks": MOST_TOKENS, "pause": PAUSE_S, "prompt_tokens": PROMPT})
    answers: list[RawAnswer] = []
    for _ in range(rounds):
        await one_round(gateway, dice, answers)
    exported = await whole_ledger(gateway)
    ledger = {row["id"]: row for row in exported}
    assert len(ledger) == len(exported)
    await upstream.wait("ended", model="up-doomed", count=len(upstream.seen(model="up-doomed")))
    bills = {
        call: attempts
        for call, attempts in upstream.bills().items()
        if attempts[0]["model"] == "up-doomed" and call not in earlier
    }
    compare(ledger, bills, answers)
    assert DIED in {row["error_code"] for row in exported}
    assert len(finished(ledger)) >= sum(answer.saw_the_end for answer in answers) > 0
    gateway.manage("reconcile")
    return tuple(sum(row[name] for row in exported) for name in ("cost_nanousd", "unsettled_nanousd"))


async def no_phantom(gateway, upstream, spent, unsettled):
    """Lower the budget to a little more than is counted, and spend that to the last call that can be paid."""
    left = 2_000_000
    assert unsettled > 0, "the usage of killed calls is unknown"
    gateway.stop()
    gateway.configure(config(upstream, spent + unsettled + left))
    gateway.start()
    assert await limit_status(gateway, KEY) == {
        "limit": spent + unsettled + left,
        "spent": spent,
        "remaining": left,
        "held": 0,
    }
    costs: list[int] = []
    while (answer := await ask(gateway.url, KEY, question("doomed", max_tokens=TOKENS))).status == 200:
        costs.append(nanousd(answer.headers["x-gateway-cost-usd"]))
    budget = answer.error["budget"]
    assert nanousd(budget["spent_usd"]) == spent + sum(costs)
    assert budget["held_usd"] == "0.00"
    assert budget["unsettled_nanousd"] == unsettled
    assert left - sum(costs) < nanousd(budget["needed_usd"]) < 300_000
    await settled(gateway)
    gateway.manage("reconcile")


@pytest.mark.timeout(300)
async def test_a_killed_gateway_loses_no_call_and_counts_none_twice(gateway_factory, upstream):
    gateway = gateway_factory(config(upstream), bare=True)
    counted = await torture(gateway, upstream, rounds=3, seed=3)
    await no_phantom(gateway, upstream, *counted)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_a_gateway_killed_thirty_times_loses_no_call_and_counts_none_twice(gateway_factory, upstream):
    gateway = gateway_factory(config(upstream), bare=True)
    counted = await torture(gateway, upstream, rounds=30, seed=secrets.randbits(32))
    await no_phantom(gateway, upstream, *counted)
