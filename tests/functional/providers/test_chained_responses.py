"""Stored responses of three accounts behind one alias: each call that names one reaches the account that has it.

From any worker, after a restart, and after a rotation of the account's key.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.support import sample
from tests.support.servers.commands import run_each
from tests.support.servers.gateway import Gateway
from tests.support.stores import stores
from tests.support.vendors.accounts import ONE, THREE, TWO
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

ANNA, BORIS = "sk-anna.anna-secret", "sk-boris.boris-secret"
KEYS = {ONE: "sk-openai-one", TWO: "sk-openai-two", THREE: "sk-openai-three"}
ROTATED = {**KEYS, ONE: "sk-openai-one-rotated"}
CHAINS, STEPS = 20, 10
MODEL = "gpt-5.6"


def config(vendors, keys=KEYS, **changed):
    """`changed`: columns of deployments by their account; None: there is no such row."""
    rows = [
        sample.row(
            "gpt",
            MODEL,
            f"{vendors.urls['openai']}/v1",
            provider="openai",
            deployment=f"gpt-{account}",
            api_key=key,
            **(changed.get(account) or {}),
        )
        for account, key in keys.items()
        if changed.get(account, {}) is not None
    ]
    return {
        **sample.NO_LIMITS,
        "health": {"eject_outliers": False},  # a busy machine makes an account slow
        "model_catalog": rows,
        "bootstrap": {
            "tenants": [{"name": "anna"}, {"name": "boris"}],
            "api_keys": [sample.key("anna", ANNA), sample.key("boris", BORIS)],
        },
    }


@pytest.fixture(scope="module")
def gateway(vendors, tmp_path_factory):
    with Gateway(config(vendors), tmp_path_factory.mktemp("chained") / "data") as server:
        yield server


class Chain:
    """A conversation that the provider keeps: `last` is the newest response's id, `account` who has it."""

    def __init__(self, number: int) -> None:
        self.number, self.last, self.account = number, "", ""

    async def step(self, client: httpx.AsyncClient, vendors: Any, turn: int) -> None:
        said = f"chain {self.number}, turn {turn}"
        body: dict[str, Any] = {"model": "gpt", "input": said, "stream": bool(turn % 2)}
        if self.last:
            body["previous_response_id"] = self.last
        answer = await client.post("/v1/responses", json=body)
        assert answer.status_code == 200, answer.text
        response = last_response(answer)
        assert response["previous_response_id"] == (self.last or None)
        [seen] = [call for call in await calls_of(vendors) if said in call["body"].decode()]
        assert self.account in {"", seen["account"]}
        self.last, self.account = response["id"], seen["account"]


def last_response(answer):
    """Return the response, of a stream that of its last event."""
    if "event-stream" not in answer.headers["content-type"]:
        return answer.json()
    [*_, event] = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return json.loads(event.removeprefix("data: "))["response"]


async def calls_of(vendors):
    return await asyncio.to_thread(vendors.seen, vendor="openai", model=MODEL)


async def first(gateway, account, vendors, key=ANNA, **more):
    """Return the id of a response that this account keeps."""
    async with gateway.client(key) as client:
        route = {"x-gateway-route": f"only=gpt-{account}"}
        answer = await client.post(
            "/v1/responses", json={"model": "gpt", "input": "Hi", **more}, headers=route
        )
    assert answer.status_code == 200, answer.text
    assert (await calls_of(vendors))[-1]["account"] == account
    return answer.json()["id"]


async def advance(gateway, vendors, chains, turns):
    async with gateway.client(ANNA) as client:
        for turn in turns:
            await asyncio.gather(*(chain.step(client, vendors, turn) for chain in chains))


async def test_two_hundred_chained_responses_reach_their_account(gateway, vendors):
    chains = [Chain(number) for number in range(CHAINS)]
    await advance(gateway, vendors, chains, range(3))
    await asyncio.to_thread(gateway.restart)
    await advance(gateway, vendors, chains, range(3, 6))
    await rotate(gateway, vendors)
    await advance(gateway, vendors, chains, range(6, STEPS + 1))
    owners = Counter(chain.account for chain in chains)
    assert owners.keys() == set(KEYS), owners
    chained = [call for call in await calls_of(vendors) if b"previous_response_id" in call["body"]]
    assert len(chained) == CHAINS * STEPS
    assert {call["status"] for call in chained} == {200}
    keys = {call["headers"]["authorization"] for call in chained[-CHAINS:] if call["account"] == ONE}
    assert keys == {f"Bearer {ROTATED[ONE]}"}
    if stores.workers():
        serving = {record["pid"] for record in gateway.records() if record["event"] == "worker.serving"}
        assert len(serving) == int(stores.workers())


async def rotate(gateway, vendors):
    """Give the first account's deployment its new key, beside the serving gateway."""
    gateway.configure(config(vendors, ROTATED))
    await asyncio.to_thread(gateway.manage, "bootstrap")

    async def keys_in_use() -> set[str]:
        async with gateway.client(ANNA) as client:
            route = {"x-gateway-route": f"only=gpt-{ONE}", "connection": "close"}
            body = {"model": "gpt", "input": "rotated?", "store": False}
            asked = [client.post("/v1/responses", json=body, headers=route) for _ in range(10)]
            assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
        return {call["headers"]["authorization"] for call in (await calls_of(vendors))[-10:]}

    await eventually(keys_in_use, lambda keys: keys == {f"Bearer {ROTATED[ONE]}"})


async def test_a_stored_response_is_read_listed_and_deleted_at_its_account(gateway, vendors):
    async with gateway.client(ANNA) as client:
        for account in KEYS:
            made = await first(gateway, account, vendors)
            path = f"/v1/responses/{made}"
            before = len(vendors.seen(vendor="openai"))
            read = await client.get(path)
            items = await client.get(f"{path}/input_items")
            cancelled = await client.post(f"{path}/cancel")
            deleted = await client.delete(path)
            gone = await client.get(path)
            seen = vendors.seen(vendor="openai")[before:]
            assert (read.status_code, read.json()["id"]) == (200, made)
            assert (items.status_code, len(items.json()["data"])) == (200, 1)
            assert cancelled.status_code == 400  # it was no response in the background
            assert (deleted.status_code, deleted.json()["deleted"]) == (200, True)
            assert gone.status_code == 404
            assert [call["account"] for call in seen] == [account] * 5


async def ids_that_are_not_annas(gateway, vendors):
    own = await first(gateway, TWO, vendors)
    foreign = await first(gateway, TWO, vendors, BORIS)
    other_end = own[:-1] + ("A" if own[-1] != "A" else "B")
    vendors_own = await asyncio.to_thread(stored_at, vendors, own)
    return {
        "another tenant's": foreign,
        "cut": own[:-6],
        "cut in its mark": own[:30],
        "changed": other_end,
        "forged": f"resp_gw1{'A' * 43}",
        "the vendor's": vendors_own,
    }


def stored_at(vendors, own):
    """Return the vendor's id of a response: the gateway's is it with a mark."""
    raw = own.partition("_gw1")[2]
    return base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))[24:].decode()


async def test_what_is_not_the_tenants_does_not_exist_and_is_asked_nowhere(gateway, vendors):
    names = await ids_that_are_not_annas(gateway, vendors)
    before = len(vendors.seen(vendor="openai"))
    words = set()
    async with gateway.client(ANNA) as client:
        for name, each in names.items():
            path = f"/v1/responses/{each}"
            answers = [
                await client.post(
                    "/v1/responses", json={"model": "gpt", "input": "?", "previous_response_id": each}
                ),
                await client.get(path),
                await client.get(f"{path}/input_items"),
                await client.post(f"{path}/cancel"),
                await client.delete(path),
            ]
            assert [answer.status_code for answer in answers] == [404] * 5, name
            words |= {answer.json()["error"]["message"] for answer in answers}
    assert len(words) == 1
    assert len(vendors.seen(vendor="openai")) == before


@pytest.mark.parametrize("gone", [{"enabled": False}, None], ids=["disabled", "deleted"])
async def test_an_account_that_is_gone_is_named_and_no_other_is_asked(tmp_path, vendors, gone):
    with Gateway(config(vendors), tmp_path / "data") as gateway:
        kept, lost = await first(gateway, TWO, vendors), await first(gateway, THREE, vendors)
        gateway.configure(config(vendors, three=gone))
        await asyncio.to_thread(gateway.restart)
        before = len(vendors.seen(vendor="openai"))
        async with gateway.client(ANNA) as client:
            path = f"/v1/responses/{lost}"
            answers = [
                await client.post(
                    "/v1/responses", json={"model": "gpt", "input": "?", "previous_response_id": lost}
                ),
                await client.get(path),
                await client.get(f"{path}/input_items"),
                await client.post(f"{path}/cancel"),
                await client.delete(path),
            ]
            found = await client.get(f"/v1/responses/{kept}")
        assert [answer.status_code for answer in answers] == [503] * 5
        assert {answer.json()["error"]["code"] for answer in answers} == {"state_owner_unavailable"}
        assert found.status_code == 200
        assert len(vendors.seen(vendor="openai")) == before + 1


async def test_explain_says_what_pinned_a_call(gateway, vendors):
    made = await first(gateway, THREE, vendors)
    async with gateway.client(ANNA) as client:
        body = {"model": "gpt", "input": "?", "previous_response_id": made}
        answer = await client.post("/v1/responses", json=body)
    [(code, story)] = await asyncio.to_thread(run_each, gateway, ["explain", answer.headers["x-request-id"]])
    assert code == 0
    assert "Pinned by previous_response_id" in " ".join(story)
