"""Celery as a process on its own stores: it does the jobs of the schedule, and only in production mode."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys

import pytest
from celery import Celery
from django.conf import settings

from gateway.schedule import every_job
from tests.support.servers.processes import ServerProcess, clean_environment
from tests.support.sources import MANAGE, ROOT
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, JWT_SECRET, prepared_postgres
from tests.support.waiting import eventually

START_S = 60
DONE_S = 30
STORES = ("ROUTER_DB_URL", "ROUTER_REDIS_URL")
DONE = ("gateway.sweep_replays", "metering.roll_up", "catalog.probe_all")
JOBS_OF_PRODUCTION = [job.name for job in every_job(settings.GATEWAY)]


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


def last_successes(text):
    """Return when each job was last done, as /metrics says it; 0 for never."""
    name = "gateway_job_last_success_timestamp_seconds"
    found = re.findall(rf'{name}{{job="([\w.]+)"}} (\S+)', text)
    assert len(found) == len(dict(found))
    return {job: float(at) for job, at in found}


def checked(environment):
    """Return what `manage.py check` warns of."""
    checking = ServerProcess(MANAGE, "check", env=environment)
    checking.end(None, START_S)
    return "\n".join(checking.stderr.all())


def do_jobs(gateway, environment, redis):
    """Let Celery do some jobs, with arguments of a newer release, and one that fails; insist that it ends well."""
    worker = ServerProcess(
        "-m", "celery", "-A", "gateway", "worker", "-P", "solo", "-l", "INFO", env=environment
    )
    try:
        worker.stderr.first(lambda line: True if " ready." in line else None, START_S)
        with Celery("somebody", broker=redis.url) as other:
            for name in DONE:
                other.send_task(name, kwargs={"since": "a newer release"}, queue=name.partition(".")[0])
                worker.stderr.first(succeeded(name), DONE_S)
            gateway.sql("ALTER TABLE gateway_idempotencyrecord RENAME TO hidden")
            other.send_task("gateway.sweep_replays", queue="gateway")
            worker.stderr.first(
                lambda line: True if "Task gateway.sweep_replays" in line and "raised" in line else None,
                DONE_S,
            )
            gateway.sql("ALTER TABLE hidden RENAME TO gateway_idempotencyrecord")
    finally:
        code = worker.end(signal.SIGTERM)
    assert code == 0


async def test_a_scrape_of_any_gateway_says_what_celery_has_done(environment, gateway_factory, redis):
    """Two workers, one scrape: neither of them has done a job. One job fails, and is counted once."""
    stores = {name: environment[name] for name in STORES}
    gateway = gateway_factory({"server": {"workers": 2}}, env=stores | HAS_ITS_TABLES)
    do_jobs(gateway, environment, redis)
    async with gateway.client() as client:

        async def scraped():
            return (await client.get("/metrics")).text

        text = await eventually(
            scraped, lambda text: 'gateway_job_failures_total{job="gateway.sweep_replays"} 1.0' in text
        )
        told = last_successes(text)
        assert {job for job, at in told.items() if at} == set(DONE)
        assert set(told) == set(JOBS_OF_PRODUCTION)
        ready = (await client.get("/readyz")).json()
    assert "jobs" not in ready["checks"]  # nothing is late yet
    warned = await asyncio.to_thread(checked, gateway.environment)
    assert "gateway.W034" in warned
    assert "the job gateway.sweep_replays was last done at" in warned


def test_celery_is_refused_in_embedded_mode(tmp_path):
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
