"""The stored answers of a tenant are bounded; a call beyond the bound is still made once."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.books.money import samples
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway

MOST = 3
ONE, OTHER = "sk-one.one-secret", "sk-other.other-secret"


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    config = {
        **sample.NO_LIMITS,
        "idempotency": {"max_answers": MOST},
        "model_catalog": [sample.row("quota", "up-quota", upstream.base_url)],
        "bootstrap": {
            "tenants": [{"name": "one"}, {"name": "other"}],
            "api_keys": [sample.key("one", ONE), sample.key("other", OTHER)],
        },
    }
    with Gateway(config, tmp_path_factory.mktemp("quota") / "data") as server:
        yield server


async def repeat(gateway, name, key=ONE):
    return await ask(gateway.url, key, question("quota"), headers={"idempotency-key": name})


async def test_answer_beyond_the_quota_is_not_replayed_and_its_call_is_made_once(gateway, upstream):
    upstream.script("up-quota", {})
    names = [f"call-{number}" for number in range(MOST + 2)]
    first = [await repeat(gateway, name) for name in names]
    again = [await repeat(gateway, name) for name in names]
    assert [answer.status for answer in first] == [200] * len(names)
    assert [answer.status for answer in again] == [200] * MOST + [409] * 2
    assert again[-1].error["code"] == "idempotency_result_unavailable"
    assert len(upstream.seen(model="up-quota")) == len(names)
    assert len(await whole_ledger(gateway)) == len(names)  # no call is lost, none is made twice
    counted = (await samples(gateway))['gateway_replays_unstored_total{reason="tenant_answers"}']
    assert counted == 2
    neighbour = [await repeat(gateway, "mine", OTHER) for _ in range(2)]
    assert [answer.status for answer in neighbour] == [200, 200]
    assert neighbour[1].headers["idempotency-replayed"] == "true"
