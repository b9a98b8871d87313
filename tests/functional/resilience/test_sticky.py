"""Sticky aliases: the same user, or the same cache key, gets the same deployment, as long as it works."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

ALIASES = {"user": "home", "prompt_cache_key": "warm"}
NAMES = ("a", "b", "c")
AT_ONCE = 8
VALUES = [f"value-{number}" for number in range(30)]


def rows(endpoint):
    return [
        sample.row(alias, f"up-{alias}-{name}", endpoint, deployment=f"{alias}-{name}", sticky=member)
        for member, alias in ALIASES.items()
        for name in NAMES
    ]


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    config = sample.config(upstream.base_url, closed_port)
    config["model_catalog"] = rows(upstream.base_url)
    for key in config["bootstrap"]["api_keys"]:
        key.pop("models", None)
    with Gateway(config, tmp_path_factory.mktemp("sticky") / "data") as server:
        yield server


@pytest.fixture(params=ALIASES)
def member(request):
    return request.param


async def where(gateway, member, values, key=sample.ALICE):
    """Return the deployment that each value gets, a few at once."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(value):
        async with turn:
            return await ask(gateway.url, key, question(ALIASES[member], **{member: value}))

    answers = await asyncio.gather(*(one(value) for value in values))
    assert {answer.status for answer in answers} == {200}, next(a.body for a in answers if a.status != 200)
    return [answer.headers["x-gateway-deployment"] for answer in answers]


async def test_the_same_value_meets_the_same_deployment_and_values_spread(gateway, member):
    first = await where(gateway, member, VALUES)
    for _ in range(4):
        assert await where(gateway, member, VALUES) == first
    assert min(Counter(first)[f"{ALIASES[member]}-{name}"] for name in NAMES) >= 3


async def test_other_members_are_not_sticky(gateway, member):
    other = next(name for name in ALIASES if name != member)
    bodies = [question(ALIASES[member], **{other: "same"}) for _ in range(40)]
    answers = [await ask(gateway.url, sample.ALICE, body) for body in bodies]
    assert len({answer.headers["x-gateway-deployment"] for answer in answers}) > 1


async def test_two_tenants_with_the_same_values_are_not_bound_together(gateway, member):
    assert await where(gateway, member, VALUES) != await where(gateway, member, VALUES, sample.BOB)


async def test_sticky_routing_survives_a_restart(gateway_factory, upstream):
    server = gateway_factory({"model_catalog": rows(upstream.base_url)})
    before = [await where(server, member, VALUES[:10]) for member in ALIASES]
    server.restart()
    assert [await where(server, member, VALUES[:10]) for member in ALIASES] == before


async def test_a_value_moves_while_its_deployment_fails_and_comes_back(gateway, upstream):
    await asyncio.gather(*(moves_and_comes_back(gateway, upstream, member) for member in ALIASES))


async def moves_and_comes_back(gateway, upstream, member):
    home = dict(zip(VALUES, await where(gateway, member, VALUES), strict=True))
    broken = home[VALUES[0]]
    moved = [value for value in VALUES if home[value] == broken]
    stay = [value for value in VALUES if home[value] != broken]
    model = f"up-{broken}"

    upstream.script(model, {"kind": "status", "status": 500})
    refuge = await where(gateway, member, moved)
    assert broken not in refuge
    assert await where(gateway, member, moved) == refuge, "there they stay together too"
    assert await where(gateway, member, stay) == [home[value] for value in stay], "no other value moves"

    upstream.script(model, {})

    async def is_home(rounds=5):  # it comes back slowly, and every worker for itself
        if await where(gateway, member, moved) != [broken] * len(moved):
            return False
        for _ in range(rounds):
            if await where(gateway, member, VALUES) != list(home.values()):
                return False
        return True

    await eventually(is_home, within_s=90, longest_pause_s=0.5)
