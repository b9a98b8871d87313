"""A deployment that fails a third of its calls opens no breaker, but is taken out beside a peer without failures."""

from __future__ import annotations

import asyncio

from tests.support.clients.raw_calls import ask, question
from tests.support.sample import ALICE, row
from tests.support.waiting import eventually

FAILS, ANSWERS = {"kind": "status", "status": 500}, {"kind": "ok"}


async def test_outlier_is_ejected_and_clients_see_no_error(gateway_factory, upstream):
    gateway = gateway_factory(
        {
            "health": {"cooldown": "60s"},
            "server": {"workers": 1},  # of two, each sees a share where chance may open the breaker before
            "model_catalog": [
                row("peers", "up-odd", upstream.base_url, deployment="odd"),
                *(row("peers", "up-even", upstream.base_url, deployment=f"even-{n}") for n in range(3)),
            ],
        }
    )
    # A twelfth of all calls: as much as the answers of the others earn retries for.
    upstream.script("up-odd", *[FAILS, ANSWERS, ANSWERS] * 1000)

    async def is_out():
        answers = await asyncio.gather(*(ask(gateway.url, ALICE, question("peers")) for _ in range(4)))
        assert {answer.status for answer in answers} == {200}
        return any("of its calls fail" in line for line in gateway.logs())

    await eventually(is_out, within_s=90)
    before = len(upstream.seen(model="up-odd"))
    for _ in range(20):
        answer = await ask(gateway.url, ALICE, question("peers"))
        assert answer.headers["x-gateway-deployment"].startswith("even-")
    assert len(upstream.seen(model="up-odd")) == before
