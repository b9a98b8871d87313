"""How `manage.py serve` starts, or why it does not: exit codes 1 and 2 with a reason, never a traceback.

What is wrong with a configuration, input by input: tests/unit/gateway/config/test_errors.py. What it does at the end:
test_shutdown.py.
"""

from __future__ import annotations

import signal
import socket
import tempfile
from pathlib import Path

import httpx

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.ports import free_port
from tests.support.servers.processes import START_S, ServerProcess, clean_environment
from tests.support.sources import MANAGE, ROOT
from tests.support.stores import templates

ROW = {"alias": "a", "provider": "simulator", "provider_model": "m"}
WRONG = {
    "sever": {},
    "server": {"listen": "x", "graceful_shutdown_delay": "soon"},
    "model_catalog": [
        {"alias": "a", "provider": "nobody", "provider_model": "m"},
        {**ROW, "price_input": -1},
        {**ROW, "currency": "EUR"},
    ],
    "admin": {"session": {"jwt_secret": "${SURELY_NOT_SET}"}},
}
NAMED = (
    "sever: ",
    "server.listen: ",
    "server.graceful_shutdown_delay: ",
    "model_catalog[0].provider: ",
    "model_catalog[1].price_input: ",
    "model_catalog[2].currency: ",
    "admin.session.jwt_secret: ${SURELY_NOT_SET}",
)


def run(gateway, *arguments, config=None, **env):
    """Run a command that is to end by itself; return its exit code and standard error."""
    environment = clean_environment(
        **{"ROUTER_DATA_DIR": str(gateway.data_dir)}
        | ({"ROUTER_CONFIG_FILE": str(config)} if config else {})
        | env
    )
    process = ServerProcess(MANAGE, *arguments, env=environment, cwd=gateway.data_dir.parent)
    code = process.end(None, 60)
    said = "\n".join(process.stderr.all())
    assert "Traceback" not in said
    return code, said


def test_a_wrong_configuration_is_exit_code_2_with_the_path_of_each_key(gateway_factory):
    gateway = gateway_factory(WRONG, bare=True, start=False)
    code, said = run(gateway, "serve", "--bind", "127.0.0.1:0", config=gateway.config_file)
    assert code == 2
    for named in NAMED:
        assert [line for line in said.splitlines() if line.startswith(named)], (named, said)


def test_a_file_that_is_no_configuration_is_exit_code_2(gateway_factory):
    gateway = gateway_factory({}, bare=True, start=False)
    gateway.config_file.write_text("a: [")
    code, said = run(gateway, "serve", config=gateway.config_file)
    assert code == 2
    assert str(gateway.config_file) in said


def test_a_file_that_is_not_there_is_exit_code_2(gateway_factory):
    gateway = gateway_factory({}, bare=True, start=False)
    code, said = run(gateway, "serve", config=gateway.data_dir.parent / "nowhere.yaml")
    assert code == 2
    assert "nowhere.yaml" in said


def test_half_of_production_mode_is_exit_code_2(gateway_factory):
    gateway = gateway_factory({}, bare=True, start=False)
    for given in ({"ROUTER_DB_URL": "postgres://h/d"}, {"ROUTER_REDIS_URL": "redis://h"}):
        code, said = run(gateway, "serve", "--bind", "127.0.0.1:0", **given)
        assert code == 2
        assert "ROUTER_REDIS_URL" in said or "ROUTER_DB_URL" in said


def test_two_workers_without_shared_counters_are_exit_code_2(gateway_factory):
    gateway = gateway_factory({}, bare=True, start=False)
    code, said = run(gateway, "serve", "--bind", "127.0.0.1:0", "--workers", "2")
    assert code == 2
    assert "ROUTER_DB_URL" in said


def test_a_port_in_use_is_exit_code_1(gateway_factory):
    gateway = gateway_factory({}, bare=True, start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said = run(gateway, "serve", "--bind", address, ROUTER_METERING_ALLOW_VOLATILE="true")
    assert code == 1
    assert address in said


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


def test_the_demo_on_an_open_address_is_exit_code_2(gateway_factory):
    """At every kind of address: tests/unit/gateway/config/checks/test_weak_secrets.py."""
    gateway = gateway_factory({}, bare=True, start=False)
    code, said = run(gateway, "serve", "--bind", "0.0.0.0:0", config=ROOT / "deploy" / "demo.yaml")
    assert code == 2
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "bootstrap.api_keys[0].secret",
        "bootstrap.admin_users[0].password",
    ]


def test_a_ram_disk_is_exit_code_2_before_anything_is_made_there(gateway_factory):
    gateway = gateway_factory({}, bare=True, start=False)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as home:
        data_dir = Path(home) / "deep" / "data"
        code, said = run(gateway, "serve", "--bind", "127.0.0.1:0", ROUTER_DATA_DIR=str(data_dir))
        assert code == 2
        assert said.startswith(f"data_dir: {data_dir} is on tmpfs, which a restart of the machine empties")
        assert "metering.allow_volatile" in said
        code, said = run(gateway, "check", ROUTER_DATA_DIR=str(data_dir))
        assert code == 1
        assert "gateway.E002" in said


async def test_another_port_at_the_configured_host(tmp_path):
    templates.lay_out(tmp_path / "data")
    port = free_port()
    env = clean_environment(ROUTER_DATA_DIR=str(tmp_path / "data"), ROUTER_METERING_ALLOW_VOLATILE="true")
    env["ROUTER_SERVER_LISTEN_ADDR"] = "127.0.0.2:1"
    server = ServerProcess(MANAGE, "serve", "--port", str(port), env=env, cwd=tmp_path)
    try:
        assert server.stderr.first(listening, START_S) == f"http://127.0.0.2:{port}"
    finally:
        assert server.end(signal.SIGTERM) == 0


def listening(line):
    return line.partition("listening on ")[2] or None


async def test_a_bad_row_of_the_catalog_disables_only_itself_and_shows(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        ready = await client.get("/readyz")
        served = await client.post("/v1/chat/completions", json=question("chat"))
    assert (ready.status_code, served.status_code) == (200, 200)
    [problem] = [problem for problem in ready.json()["problems"] if problem["alias"] == "badrow"]
    assert "SURELY_NOT_SET" in problem["reason"]
