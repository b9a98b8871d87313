"""When every deployment fails, the provider gets hardly more attempts than the clients send calls."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway, merged

WORKERS = int(os.environ.get("OMG_TEST_WORKERS") or 1)  # each has its own budget for retries
CALLS = 600 * WORKERS
COUNTS = [1, 20, 120 * WORKERS]
MOST = 1.10
BROKEN = {"kind": "status", "status": 500}


def pairs(endpoint, count):
    """Return aliases of two deployments each, all of one provider."""
    return [
        sample.row(
            f"out-{count}-{number}",
            f"up-out-{count}-{number}-{place}",
            endpoint,
            deployment=f"{count}-{number}-{place}",
        )
        for number in range(count)
        for place in "ab"
    ]


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    rows = [row for count in COUNTS for row in pairs(upstream.base_url, count)]
    more = {"health": {"cooldown": "300s"}, "model_catalog": rows}
    config = merged(sample.config(upstream.base_url, closed_port), more)
    with Gateway(config, tmp_path_factory.mktemp("outage") / "data") as server:
        yield server


@pytest.mark.parametrize("aliases", COUNTS, ids=["one alias", "twenty", "so many that no breaker helps"])
async def test_outage_is_not_amplified_by_retries(gateway, upstream, aliases):
    rows = pairs(upstream.base_url, aliases)
    for each in rows:
        upstream.script(each["provider_model"], BROKEN)
    began, numbers = time.monotonic(), iter(range(CALLS))

    async def client():
        answers = []
        for number in numbers:
            body = question(f"out-{aliases}-{number % aliases}", stream=bool(number % 2))
            answers.append(await ask(gateway.url, sample.ALICE, body))
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
