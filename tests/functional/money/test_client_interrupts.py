"""Ctrl-C ends `serve` without a traceback at every moment, and the next start continues as after a kill."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.servers.ports import free_port
from tests.support.servers.processes import START_S, ServerProcess, clean_environment
from tests.support.sources import MANAGE
from tests.support.stores import templates
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import wait_until

INTERRUPTED = 130
IMPORTS_ITSELF = {"PYTHONNOUSERSITE": "1"}  # not a fork of one that has imported everything


@pytest.fixture
def start(tmp_path):
    """Return what starts a gateway here."""
    started = []

    def begin(*arguments, **more):
        env = clean_environment(
            **{"ROUTER_DATA_DIR": str(tmp_path / "data"), "ROUTER_METERING_ALLOW_VOLATILE": "true", **more}
        )
        server = ServerProcess(
            MANAGE, "serve", *(arguments or ("--bind", "127.0.0.1:0")), env=env, cwd=tmp_path
        )
        started.append(server)
        return server

    yield begin
    for server in started:
        if server.is_running:
            server.end(signal.SIGKILL)


def is_quiet(server):
    return not any(
        word in line
        for line in server.stderr.all()
        for word in ("Traceback", "Interrupt", "Exception ignored")
    )


def listens(server):
    return server.stderr.first(lambda line: line.partition("listening on ")[2] or None, START_S)


def takes_the_signal(server):
    """Whether `manage.py` runs: before it, the interpreter has no handler of ours, and prints by itself."""
    return (
        "manage.py" in Path(f"/proc/{server.pid}/cmdline").read_text()
        and "_pydantic_core" in Path(f"/proc/{server.pid}/maps").read_text()
    )


def test_an_interrupt_during_imports_ends_cleanly(start):
    server = start(**IMPORTS_ITSELF)
    wait_until(lambda: takes_the_signal(server), despite=(OSError,))
    assert server.end(signal.SIGINT) in {INTERRUPTED, 0}  # 0: it served already
    assert is_quiet(server)


def test_an_interrupted_migration_is_continued_by_the_next_start(start, tmp_path):
    server = start()
    wait_until((tmp_path / "data" / "gateway.sqlite3-wal").exists)
    assert server.end(signal.SIGINT) in {INTERRUPTED, 0}
    assert is_quiet(server)
    again = start()
    listens(again)
    assert again.end(signal.SIGINT) == 0
    assert is_quiet(again)


@pytest.fixture
def redis():
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("away", ["redis", "database"])
def test_an_interrupt_while_waiting_for_a_store_ends_cleanly(start, redis, away, workers):
    stores = {
        "ROUTER_DB_URL": f"postgres://x@127.0.0.1:{free_port()}/x",
        "ROUTER_REDIS_URL": f"redis://127.0.0.1:{free_port()}" if away == "redis" else redis.url,
        "ROUTER_ADMIN_SESSION_JWT_SECRET": templates.JWT_SECRET,
    }
    server = start("--bind", "127.0.0.1:0", "--workers", workers, **stores)
    server.stderr.first(lambda line: f"{away}.waiting" in line or None, START_S)
    assert server.end(signal.SIGINT) == INTERRUPTED
    assert is_quiet(server)


def test_interrupts_while_serving_and_while_stopping_end_cleanly(start):
    server = start()
    listens(server)
    for _ in range(3):
        server.send(signal.SIGINT)
    assert server.end(None) == 0
    assert is_quiet(server)


@pytest.mark.parametrize("command", ["check", "reconcile", "export_usage"])
def test_interrupted_commands_end_cleanly_too(tmp_path, command):
    env = clean_environment(ROUTER_DATA_DIR=str(tmp_path / "data"), **IMPORTS_ITSELF)
    process = ServerProcess(MANAGE, command, env=env, cwd=tmp_path)
    wait_until(lambda: takes_the_signal(process) or not process.is_running, despite=(OSError,))
    process.end(signal.SIGINT)
    assert is_quiet(process)
