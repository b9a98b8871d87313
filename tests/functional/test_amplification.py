"""When every deployment fails, the provider is not asked more often than its clients ask."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.raw_calls import ask, question
from tests.town import ALICE, row

WORKERS = int(os.environ.get("OMG_TEST_WORKERS") or 1)  # each has its own budget for retries
CALLS = 600 * WORKERS
MOST = 1.10
BROKEN = {"kind": "status", "status": 500}


def pairs(endpoint, count):
    """Return aliases of two deployments each, all of one provider."""
    return [
        row(
            f"out-{count}-{number}",
            f"up-out-{count}-{number}-{place}",
            endpoint,
            deployment=f"{number}-{place}",
        )
        for number in range(count)
        for place in "ab"
    ]


@pytest.mark.parametrize(
    "aliases", [1, 20, 120 * WORKERS], ids=["one alias", "twenty", "so many that no breaker helps"]
)
async def test_an_outage_is_not_amplified(fresh_gateway, upstream, aliases):
    rows = pairs(upstream.base_url, aliases)
    gateway = fresh_gateway({"health": {"cooldown": "300s"}, "model_catalog": rows})
    for each in rows:
        upstream.script(each["provider_model"], BROKEN)
    began, numbers = time.monotonic(), iter(range(CALLS))

    async def client():
        answers = []
        for number in numbers:
            body = question(f"out-{aliases}-{number % aliases}", stream=bool(number % 2))
            answers.append(await ask(gateway.url, ALICE, body))
        return answers

    answers = [
        answer for several in await asyncio.gather(*(client() for _ in range(8))) for answer in several
    ]
    seconds = time.monotonic() - began
    assert len(answers) == CALLS
    assert {answer.error["code"] for answer in answers} <= {"upstream_error", "no_deployment_available"}
    upstream_calls = sum(len(upstream.seen(model=each["provider_model"])) for each in rows)
    floor = 3 * (seconds + 1) * WORKERS  # tries that are paid by the clock, not by calls
    assert upstream_calls - floor <= MOST * CALLS
