"""Two tenants at one provider account: neither can name, use or probe the other's prompt cache."""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    config = sample.config(upstream.base_url, closed_port)
    config["model_catalog"] = [
        sample.row("theirs", "up-cache-openai", upstream.base_url, provider="openai"),
        sample.row("own", "up-cache-vllm", upstream.base_url, metadata={"cache_member": "cache_salt"}),
        sample.row("plain", "up-cache-plain", upstream.base_url),
    ]
    for key in config["bootstrap"]["api_keys"]:
        key.pop("models", None)
    with Gateway(config, tmp_path_factory.mktemp("caches") / "data") as server:
        yield server


async def sent(gateway, upstream, key, alias, **more):
    answer = await ask(gateway.url, key, question(alias, **more))
    assert answer.status == 200, answer.body
    [seen] = upstream.seen(call=answer.id)
    return json.loads(seen["body"])


@pytest.mark.parametrize(("alias", "member"), [("theirs", "prompt_cache_key"), ("own", "cache_salt")])
@pytest.mark.parametrize("says", [False, True])
@pytest.mark.parametrize("streams", [False, True])
async def test_same_prompt_of_two_tenants_is_in_two_prompt_caches(
    gateway, upstream, alias, member, says, streams
):
    more = {member: "the same"} if says else {}
    keys = (sample.ALICE, sample.ALICE, sample.BOB)
    mine, again, bobs = [
        (await sent(gateway, upstream, key, alias, stream=streams, **more))[member] for key in keys
    ]
    assert mine == again != bobs
    assert "the same" not in (mine, bobs)


@pytest.mark.parametrize("member", ["user", "safety_identifier", "prompt_cache_key", "cache_salt"])
async def test_user_and_cache_names_are_salted_per_tenant(gateway, upstream, member):
    said = [
        (await sent(gateway, upstream, key, "plain", **{member: "jane"}))[member]
        for key in (sample.ALICE, sample.BOB)
    ]
    assert len({*said, "jane"}) == 3


async def test_a_server_without_known_support_gets_no_prompt_cache_key(gateway, upstream):
    assert "prompt_cache_key" not in await sent(gateway, upstream, sample.ALICE, "plain")
