"""A call that has ended is gone at once: nothing of it waits for the garbage collector, which looks rarely.

With thousands of streams between two looks, all that was known of each would stay in memory until then.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests import town
from tests.cycles import Cycles
from tests.raw_calls import question
from tests.servers import Gateway

CALLS = 5
BEHAVIORS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "whole": ({}, {}),
    "streams": ({}, {"stream": True}),
    "streams with usage": ({}, {"stream": True, "stream_options": {"include_usage": True}}),
    "refused by the provider": ({"status": 400}, {}),
    "streams that fail": ({"status": 500}, {"stream": True}),
    "refused by us": ({}, {"messages": []}),
}


@pytest.fixture(scope="module")
def watched(upstream, tmp_path_factory):
    directory = tmp_path_factory.mktemp("cycles")
    cycles = Cycles(directory / "loop")
    config = {
        **town.NO_LIMITS,
        "server": {"workers": 1},
        "model_catalog": [town.row("m1", "up-m1", upstream.base_url)],
        "bootstrap": {"tenants": [{"name": "alice-co"}], "api_keys": [town.key("alice-co", town.ALICE)]},
    }
    gateway = Gateway(config, directory / "data", cycles.environment)
    with gateway:
        yield gateway, cycles


@pytest.mark.parametrize("what", BEHAVIORS)
async def test_a_call_leaves_no_cycle(watched, upstream, what):
    gateway, cycles = watched
    behavior, more = BEHAVIORS[what]
    upstream.script("up-m1", behavior)
    async with gateway.client(town.ALICE) as client:
        await client.post(
            "/v1/chat/completions", json=question("m1")
        )  # the connection, and what is made once
        await cycles.found(gateway.pid)
        for _ in range(CALLS):
            answer = await client.post("/v1/chat/completions", json={**question("m1"), **more})
            assert answer.status_code < 600
        found = await cycles.found(gateway.pid)
    assert {name for name, count in found.items() if count >= CALLS} == set()
