"""Calls are distributed over deployments by their weights, end to end.

How exactly: tests/unit/catalog/routing/test_candidate_selection.py, and the long run here (make soak).
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.clients.raw_calls import ask, question

WEIGHTS = {"heavy": 70, "middle": 20, "light": 10, "none": 0}
AT_ONCE = 16
LIKELY = 27.63  # chi-square with two degrees of freedom: a fair gateway exceeds it once in 1,000,000 runs


@pytest.fixture
def gateway(gateway_factory):
    rows = [
        {
            "alias": "weighed",
            "provider": "simulator",
            "provider_model": "sim",
            "deployment": name,
            "weight": weight,
            "free": True,
        }
        for name, weight in WEIGHTS.items()
    ]
    return gateway_factory({"model_catalog": rows})


@pytest.mark.parametrize("calls", [600, pytest.param(5_000, marks=pytest.mark.soak)])
async def test_calls_are_distributed_by_weight(gateway, calls):
    turn = asyncio.Semaphore(AT_ONCE)

    async def one():
        async with turn:
            answer = await ask(gateway.url, sample.ALICE, question("weighed", max_tokens=5))
        assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "1")
        return answer.headers["x-gateway-deployment"]

    met = Counter(await asyncio.gather(*(one() for _ in range(calls))))
    expected = {name: calls * weight / 100 for name, weight in WEIGHTS.items() if weight}
    chi_square = sum((met[name] - mean) ** 2 / mean for name, mean in expected.items())
    print(f"chi-square {chi_square:.2f} of {dict(met)}")  # noqa: T201 - shown with -s
    assert met["none"] == 0, "a weight of 0 is only for when no other deployment is left"
    assert chi_square < LIKELY
    rows = await whole_ledger(gateway)
    assert Counter(row["deployment"] for row in rows) == met
