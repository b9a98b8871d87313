"""The gateway as a process: it starts, ends in good order, and comes back after the worst."""

from __future__ import annotations

import pytest

from tests import town
from tests.processes import ServerProcess
from tests.sources import MANAGE

QUESTION = [{"role": "user", "content": "hi"}]
SIMULATED = {
    "alias": "sim",
    "provider": "simulator",
    "provider_model": "simulator-chat",
    "price_input": 1,
    "price_output": 1,
}


async def ask(gateway, model="chat"):
    async with gateway.openai(town.ALICE) as client:
        return await client.chat.completions.create(model=model, messages=QUESTION)


@pytest.mark.both_modes
async def test_it_ends_in_good_order_and_comes_back_even_after_a_power_cut(fresh_gateway):
    gateway = fresh_gateway({"model_catalog": [SIMULATED]})
    answer = await ask(gateway, "sim")
    assert answer.model == "sim"
    assert '"hi"' in (answer.choices[0].message.content or "")
    a_second_process_on_the_same_data_dir_is_exit_code_2(gateway)
    gateway.restart()
    assert (await ask(gateway)).model == "chat"
    gateway.kill()
    gateway.start()
    assert (await ask(gateway)).model == "chat"
    gateway.stop()


def a_second_process_on_the_same_data_dir_is_exit_code_2(gateway):
    second = ServerProcess(
        MANAGE,
        "serve",
        "--bind",
        "127.0.0.1:0",
        env=gateway.environment,
        cwd=gateway.data_dir.parent,
    )
    assert second.end(None, 60) == 2
    said = "\n".join(second.stderr.all())
    assert str(gateway.data_dir) in said
    assert "Traceback" not in said
    assert gateway.is_running


async def test_it_tells_the_provider_which_call_it_was(gateway, upstream):
    async with gateway.client(town.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json={"model": "m1", "messages": QUESTION})
    [seen] = upstream.seen(call=answer.headers["x-request-id"])
    assert seen["model"] == "up-m1"
    assert town.ALICE not in seen["body"]


def test_a_wrong_configuration_is_told_in_words(fresh_gateway):
    gateway = fresh_gateway({"model_catalogue": []}, bare=True, start=False)
    gateway.manage("serve", code=2)
