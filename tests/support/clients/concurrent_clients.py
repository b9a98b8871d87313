"""Concurrent clients that spend a budget cent by cent during a fault, and the books that must agree afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

import msgspec

from metering.ledger.crash_recovery import DIED
from tests.support import sample
from tests.support.books.money import NANO, query, settled
from tests.support.clients.raw_calls import RawAnswer, ask, question
from tests.support.servers.gateway import Gateway
from tests.support.servers.upstream import Upstream
from tests.support.waiting import eventually

KEY = "sk-spender.spender-secret"
CENT = NANO // 100
PAUSE_S = 0.1
EXHAUST = 16
PART = 500  # calls


def config(endpoint: str, cents: int, **more: Any) -> dict[str, Any]:
    """Return a gateway with one tenant, whose every call costs a cent of its budget."""
    cent = {"price_input": 0, "price_output": 0, "pricing": {"request": 0.01}}
    return {
        **sample.NO_LIMITS,
        "model_catalog": [sample.row("cent", "up-cents", endpoint, **cent)],
        "bootstrap": {
            "tenants": [{"name": "spender"}],
            "tenant_budgets": [{"tenant": "spender", "budget_usd": cents / 100}],
            "api_keys": [sample.key("spender", KEY)],
        },
        **more,
    }


class Said(msgspec.Struct, frozen=True):
    """One answer: when its call was sent (monotonic), how long it took, what it was. Times are for reports only."""

    at: float
    seconds: float
    answer: RawAnswer

    @property
    def word(self) -> str:
        return word_of(self.answer)


def word_of(answer: RawAnswer) -> str:
    """Return `200`, the code of an error, or `broken`."""
    if not answer.status or not answer.is_whole:
        return "broken"
    return "200" if answer.status == 200 else str(answer.error["code"])


class Crowd:
    """Clients that send ten calls a second each, from `start` to `stop`."""

    def __init__(self, gateway: Gateway, clients: int = 16, body: Mapping[str, Any] | None = None) -> None:
        self._gateway, self._clients = gateway, clients
        self._body = body or question("cent")
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.said: list[Said] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _ask(self) -> None:
        while not self._over.is_set():
            at = time.monotonic()
            answer = await ask(self._gateway.url, KEY, self._body)
            self.said.append(Said(at, time.monotonic() - at, answer))
            await asyncio.sleep(PAUSE_S)  # the pace

    def words(self, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        return Counter(said.word for said in self.said if since <= said.at < until)

    async def hears(self, count: int, *words: str, since: float = 0.0) -> None:
        """Wait for so many answers, of these words, to calls that were made since then.

        While a fault lasts, this is the proof that calls do not wait for its end.
        """
        await eventually(
            lambda: self.words(since), lambda heard: sum(heard[word] for word in words) >= count, within_s=60
        )

    def p99_ms(self, since: float = 0.0, until: float = float("inf")) -> float:
        times = sorted(said.seconds for said in self.said if since <= said.at < until)
        return times[int(len(times) * 0.99)] * 1000 if times else 0.0


def is_over(heard: Counter[str]) -> bool:
    return heard["insufficient_quota"] == EXHAUST


async def exhaust(gateway: Gateway) -> list[RawAnswer]:
    """Spend the rest of the budget, also after temporary refusals; return the calls that were served."""
    served: list[RawAnswer] = []

    async def words() -> Counter[str]:
        answers = await asyncio.gather(*(ask(gateway.url, KEY, question("cent")) for _ in range(EXHAUST)))
        served.extend(answer for answer in answers if answer.status == 200)
        return Counter(word_of(answer) for answer in answers)

    async def spend(most: int) -> Counter[str]:
        return await eventually(words, lambda heard: is_over(heard) or len(served) >= most, within_s=60)

    # The time is for each part: how long all of it takes depends on what is left and on the machine.
    while not is_over(await spend(len(served) + PART)):
        pass
    return served


async def agree(gateway: Gateway, upstream: Upstream, answers: list[RawAnswer], cents: int) -> None:
    """Insist that ledger, budget, provider and clients agree, and that the budget was spent to the last cent."""
    paid = {answer.id for answer in answers if answer.status == 200}
    rows: dict[str, int] = {}
    died: set[str] = set()

    async def sum_of_rows() -> int:
        paid.update([answer.id for answer in await exhaust(gateway)])
        await settled(gateway)
        found = query(gateway, "SELECT id, cost_nanousd, error_code FROM metering_usageevent")
        rows.update({call: cost for call, cost, _ in found})
        died.update(call for call, _, code in found if code == DIED)
        assert len(rows) == len(found)
        return sum(rows.values())

    await eventually(
        sum_of_rows, lambda sum_: sum_ >= cents * CENT, within_s=60
    )  # a dead worker's grants come back
    assert paid <= rows.keys(), "a call that was answered is not in the ledger"
    bills = {call for call, tries in upstream.bills().items() if tries[0]["model"] == "up-cents"}
    mine = {row for row, cost in rows.items() if cost}
    unsent = mine - bills
    assert unsent <= died - paid, "billed, and the provider never saw it"  # killed before a byte was sent
    refusal = await ask(gateway.url, KEY, question("cent"))
    assert sum(rows.values()) == cents * CENT, (len(rows), len(paid), len(bills), cents, refusal.body)
    spent = query(gateway, "SELECT spent_nanousd FROM budgets_spendwindow WHERE scope LIKE 'tenant:%%'")
    assert [row[0] for row in spent] == [cents * CENT]
    answer = await ask(gateway.url, KEY, question("cent"))
    assert answer.error["code"] == "insufficient_quota"
    assert answer.error["budget"]["spent_nanousd"] == cents * CENT
    assert answer.error["budget"]["held_nanousd"] == 0
    await asyncio.to_thread(gateway.manage, "reconcile")
