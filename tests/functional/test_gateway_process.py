"""The gateway as a process: it starts, ends in good order, and comes back after the worst."""

from __future__ import annotations

import pytest

from tests import town

pytestmark = pytest.mark.both_modes

QUESTION = [{"role": "user", "content": "hi"}]


async def ask(gateway, model="chat"):
    async with gateway.openai(town.ALICE) as client:
        return await client.chat.completions.create(model=model, messages=QUESTION)


async def test_it_ends_in_good_order_and_starts_again(fresh_gateway):
    gateway = fresh_gateway()
    await ask(gateway)
    gateway.restart()
    assert (await ask(gateway)).model == "chat"
    gateway.stop()


async def test_it_comes_back_after_a_power_cut(fresh_gateway):
    gateway = fresh_gateway()
    await ask(gateway)
    gateway.kill()
    gateway.start()
    assert (await ask(gateway)).model == "chat"


async def test_it_tells_the_provider_which_call_it_was(fresh_gateway, upstream):
    gateway = fresh_gateway()
    async with gateway.client(town.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json={"model": "m1", "messages": QUESTION})
    [seen] = upstream.seen(call=answer.headers["x-request-id"])
    assert seen["model"] == "up-m1"
    assert town.ALICE not in seen["body"]


async def test_the_simulator_answers_through_the_gateway(fresh_gateway):
    row = {
        "alias": "sim",
        "provider": "simulator",
        "provider_model": "simulator-chat",
        "price_input": 1,
        "price_output": 1,
    }
    gateway = fresh_gateway({"model_catalog": [row]})
    answer = await ask(gateway, "sim")
    assert answer.model == "sim"
    assert '"hi"' in (answer.choices[0].message.content or "")


def test_a_wrong_configuration_is_told_in_words(fresh_gateway):
    gateway = fresh_gateway({"model_catalogue": []}, bare=True, start=False)
    gateway.manage("serve", code=2)
