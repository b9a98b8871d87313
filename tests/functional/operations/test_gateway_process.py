"""The gateway as a process: it starts, shuts down cleanly, and starts again after a kill."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from tests.support import sample
from tests.support.servers.processes import ServerProcess
from tests.support.sources import MANAGE
from tests.support.waiting import eventually

QUESTION = [{"role": "user", "content": "hi"}]
SIMULATED = {
    "alias": "sim",
    "provider": "simulator",
    "provider_model": "simulator-chat",
    "price_input": 1,
    "price_output": 1,
}


async def ask(gateway, model="chat"):
    async with gateway.openai(sample.ALICE) as client:
        return await client.chat.completions.create(model=model, messages=QUESTION)


@pytest.mark.both_modes
async def test_gateway_stops_cleanly_and_restarts_even_after_a_power_cut(gateway_factory):
    gateway = gateway_factory({"model_catalog": [SIMULATED]})
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
    leftovers = [path.name for path in gateway.data_dir.glob("gateway.sqlite3-*")]
    assert leftovers == []  # a copy of the file is whole


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


async def test_the_provider_receives_the_request_id(shared_gateway, upstream):
    async with shared_gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json={"model": "m1", "messages": QUESTION})
    [seen] = upstream.seen(call=answer.headers["x-request-id"])
    assert seen["model"] == "up-m1"
    assert sample.ALICE not in seen["body"]


@pytest.fixture
def unheard(gateway_factory):
    """Yield the process and the address of a gateway whose standard error is not read any more."""
    gateway = gateway_factory({"server": {"workers": 1}}, start=False)
    process = subprocess.Popen(
        [sys.executable, MANAGE, "serve", "--bind", "127.0.0.1:0"],
        env=gateway.environment,
        cwd=gateway.data_dir.parent,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = next(line for line in process.stderr if line.startswith("listening on ")).split()[-1]
    process.stderr.close()
    yield process, address
    process.kill()
    process.wait()


async def test_unread_log_lines_are_counted_and_calls_go_on(unheard):
    process, address = unheard
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        assert (await client.get("/v1/models")).status_code == 401

        async def counted() -> bool:
            return "gateway_access_log_dropped_total 1.0" in (await client.get("/metrics")).text

        await eventually(counted)
        assert (await client.get("/v1/models")).status_code == 401
    process.terminate()
    assert process.wait(60) == 0


def test_a_wrong_configuration_is_explained(gateway_factory):
    gateway = gateway_factory({"model_catalogue": []}, bare=True, start=False)
    gateway.manage("serve", code=2)
