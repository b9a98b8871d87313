"""Celery as a process on its own stores: it does the jobs of the schedule, and only in production mode."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from celery import Celery

from tests.processes import ServerProcess, clean_environment
from tests.redis_server import RedisServer
from tests.sources import ROOT
from tests.templates import JWT_SECRET, prepared_postgres

START_S = 60
DONE_S = 30


@pytest.fixture(scope="module")
def redis():
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def environment(redis, tmp_path_factory):
    """Yield the environment of production mode, its tables made."""
    postgres = prepared_postgres()
    try:
        postgres.start()
        found = clean_environment(
            ROUTER_DB_URL=postgres.new_database(),
            ROUTER_REDIS_URL=redis.url,
            ROUTER_DATA_DIR=str(tmp_path_factory.mktemp("celery")),
            ROUTER_ADMIN_SESSION_JWT_SECRET=JWT_SECRET,
        )
        yield found
    finally:
        postgres.close()


def succeeded(name):
    """Return a reader of the worker's lines that stops at this task's success."""
    return lambda line: True if f"Task {name}" in line and "succeeded" in line else None


def test_a_worker_does_what_it_is_asked_even_with_arguments_of_a_newer_release(environment, redis):
    worker = ServerProcess(
        "-m", "celery", "-A", "gateway", "worker", "-P", "solo", "-l", "INFO", env=environment
    )
    try:
        worker.stderr.first(lambda line: True if " ready." in line else None, START_S)
        with Celery("somebody", broker=redis.url) as other:
            for name in ("gateway.sweep_replays", "metering.roll_up", "catalog.probe_all"):
                other.send_task(name, kwargs={"since": "a newer release"}, queue=name.partition(".")[0])
                worker.stderr.first(succeeded(name), DONE_S)
    finally:
        code = worker.end(signal.SIGTERM)
    assert code == 0


def test_embedded_mode_sends_people_away(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "gateway", "worker", "-P", "solo"],
        cwd=ROOT,
        env=clean_environment(ROUTER_DATA_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert done.returncode != 0
    assert "Celery needs production mode" in done.stderr
