"""How `manage.py serve` starts, or says in words why it does not: exit codes 1 and 2, never a traceback."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tests import town
from tests.ledger import committed
from tests.processes import START_S, ServerProcess, clean_environment
from tests.raw_calls import question
from tests.sources import MANAGE, ROOT

pytestmark = pytest.mark.both_modes

WRONG = {
    "unknown key": ({"sever": {}}, "sever"),
    "unknown key in a section": ({"server": {"listen": "x"}}, "server.listen"),
    "bad duration": ({"server": {"graceful_shutdown_delay": "soon"}}, "server.graceful_shutdown_delay"),
    "unknown provider": (
        {"model_catalog": [{"alias": "a", "provider": "nobody", "provider_model": "m"}]},
        "provider",
    ),
    "negative price": (
        {
            "model_catalog": [
                {"alias": "a", "provider": "simulator", "provider_model": "m", "price_input": -1}
            ]
        },
        "price_input",
    ),
    "unset variable": ({"admin": {"session": {"jwt_secret": "${SURELY_NOT_SET}"}}}, "SURELY_NOT_SET"),
    "another currency": (
        {
            "model_catalog": [
                {"alias": "a", "provider": "simulator", "provider_model": "m", "currency": "EUR"}
            ]
        },
        "currency",
    ),
}


def run(gateway, *arguments, config=None, **env):
    """Run a command that is to end by itself; return its exit code and standard error."""
    environment = clean_environment(
        ROUTER_DATA_DIR=str(gateway.data_dir),
        **({"ROUTER_CONFIG_FILE": str(config)} if config else {}),
        **env,
    )
    done = subprocess.run(
        [sys.executable, MANAGE, *arguments],
        cwd=gateway.data_dir.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_configuration_is_exit_code_2_with_the_path_of_the_key(fresh_gateway, how):
    config, named = WRONG[how]
    gateway = fresh_gateway(config, bare=True, start=False)
    code, said = run(gateway, "serve", "--bind", "127.0.0.1:0", config=gateway.config_file)
    assert code == 2
    assert named in said
    assert "Traceback" not in said


@pytest.mark.parametrize("text", ["a: [", "\t- x", "just words", "- a list"])
def test_a_file_that_is_no_configuration_is_exit_code_2(fresh_gateway, text):
    gateway = fresh_gateway({}, bare=True, start=False)
    gateway.config_file.write_text(text)
    code, said = run(gateway, "serve", config=gateway.config_file)
    assert code == 2
    assert str(gateway.config_file) in said
    assert "Traceback" not in said


def test_a_file_that_is_not_there_is_exit_code_2(fresh_gateway):
    gateway = fresh_gateway({}, bare=True, start=False)
    code, said = run(gateway, "serve", config=gateway.data_dir.parent / "nowhere.yaml")
    assert code == 2
    assert "nowhere.yaml" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("given", [{"ROUTER_DB_URL": "postgres://h/d"}, {"ROUTER_REDIS_URL": "redis://h"}])
def test_half_of_production_mode_is_exit_code_2(fresh_gateway, given):
    gateway = fresh_gateway({}, bare=True, start=False)
    code, said = run(gateway, "serve", "--bind", "127.0.0.1:0", **given)
    assert code == 2
    assert "Traceback" not in said
    assert "ROUTER_REDIS_URL" in said or "ROUTER_DB_URL" in said


def test_two_workers_without_shared_counters_are_exit_code_2(fresh_gateway):
    gateway = fresh_gateway({}, bare=True, start=False)
    code, said = run(gateway, "serve", "--bind", "127.0.0.1:0", "--workers", "2")
    assert code == 2
    assert "ROUTER_DB_URL" in said


def test_a_second_process_on_the_same_data_dir_is_exit_code_2(fresh_gateway):
    gateway = fresh_gateway()
    code, said = run(gateway, "serve", "--bind", "127.0.0.1:0", config=gateway.config_file)
    assert code == 2
    assert str(gateway.data_dir) in said
    assert gateway.is_running


def test_a_port_in_use_is_exit_code_1(fresh_gateway):
    gateway = fresh_gateway({}, bare=True, start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said = run(gateway, "serve", "--bind", address, ROUTER_METERING_ALLOW_VOLATILE="true")
    assert code == 1
    assert address in said
    assert "Traceback" not in said


async def test_no_configuration_at_all_is_a_configuration(tmp_path):
    env = clean_environment(ROUTER_DATA_DIR=str(tmp_path / "data"), ROUTER_METERING_ALLOW_VOLATILE="true")
    server = ServerProcess(MANAGE, "serve", "--bind", "127.0.0.1:0", env=env, cwd=tmp_path)
    try:
        url = server.stderr.first(listening, START_S)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/readyz")).status_code == 200
            assert (await client.post("/v1/chat/completions", json=question("x"))).status_code == 401
    finally:
        assert server.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(("bind", "warns"), [("0.0.0.0:0", True), ("127.0.0.1:0", False)])
async def test_the_demo_on_an_open_address_says_that_strangers_know_its_secrets(tmp_path, bind, warns):
    env = clean_environment(
        ROUTER_DATA_DIR=str(tmp_path / "data"),
        ROUTER_METERING_ALLOW_VOLATILE="true",
        ROUTER_CONFIG_FILE=str(ROOT / "deploy" / "demo.yaml"),
    )
    server = ServerProcess(MANAGE, "serve", "--bind", bind, env=env, cwd=tmp_path)
    try:
        server.stderr.first(listening, START_S)
        told = [line for line in server.stderr.all() if line.startswith("WARNING:")]
        assert ["strangers can guess" in line for line in told] == ([True] if warns else [])
    finally:
        assert server.end(signal.SIGTERM) == 0


def listening(line):
    return line.partition("listening on ")[2] or None


async def test_a_bad_row_of_the_catalog_disables_only_itself_and_shows(gateway):
    async with gateway.client(town.ALICE) as client:
        ready = await client.get("/readyz")
        served = await client.post("/v1/chat/completions", json=question("chat"))
    assert (ready.status_code, served.status_code) == (200, 200)
    [problem] = [problem for problem in ready.json()["problems"] if problem["alias"] == "badrow"]
    assert "SURELY_NOT_SET" in problem["reason"]


async def test_sigterm_lets_a_running_stream_end_and_exits_0(fresh_gateway, upstream):
    gateway = fresh_gateway()
    upstream.script("up-m8", {"hold_after": 1})
    async with (
        gateway.client(town.ALICE) as client,
        client.stream("POST", "/v1/chat/completions", json=question("m8", stream=True)) as answer,
    ):
        parts = answer.aiter_bytes()
        received = await anext(parts)
        async with gateway.client(town.ALICE) as other:
            assert (await other.get("/v1/models")).status_code == 200  # its connection is open and is kept
            gateway.send(signal.SIGTERM)
            refused = await until_draining(other)
        upstream.release(call=answer.headers["x-request-id"])
        received += b"".join([part async for part in parts])
    assert received.endswith(b"data: [DONE]\n\n")
    assert received.count(b" word") == 5
    if refused is not None:
        assert refused.json()["error"]["code"] == "server_shutdown"
        assert refused.headers["retry-after"]
    assert gateway.wait() == 0
    [row] = committed(gateway)
    assert row["status"] == "ok"


async def until_draining(client):
    """Ask on one kept connection until it refuses; every answer takes its time, so nothing here sleeps.

    None: the last answer before had closed the connection, and the listener takes no new one.
    """
    for _ in range(200):
        try:
            answer = await client.post("/v1/chat/completions", json=question("dead"))
        except httpx.TransportError:
            return None
        if answer.status_code == 503:
            return answer
    raise AssertionError("it never refused")
