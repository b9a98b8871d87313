"""What another program wrote into Redis or data_dir is read as data: nothing of it is executed."""

from __future__ import annotations

import json
import os
import shelve
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery.beat import Service
from django.core.cache import CacheHandler

from gateway.celery import make
from gateway.config.model import Config
from gateway.stores.caches import django_caches
from tests.support.faults import hostile_pickle
from tests.support.stores.redis_server import RedisServer


@pytest.fixture(scope="module")
def redis():
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def cache(redis):
    redis.run("FLUSHALL")
    found = CacheHandler(django_caches(Config(redis={"url": redis.url}).redis))["default"]
    yield found
    found.close()


def test_values_come_back_as_they_were_stored(cache):
    for value in ({"a": [1, None, "ü"]}, 7, "text"):
        cache.set("k", value, 60)
        assert cache.get("k") == value


@pytest.mark.parametrize("kind", list(hostile_pickle.values(Path())))
def test_a_pickle_in_the_cache_runs_nothing(cache, tmp_path, kind):
    mark = tmp_path / "ran"
    raw = cache.client.get_client(write=True)
    raw.set(cache.make_key("k"), hostile_pickle.values(mark)[kind])
    cache.get("k")
    cache.get_many(["k"])
    assert not mark.exists()


def scheduler(tmp_path):
    app = make(Config(data_dir=tmp_path, redis={"url": "memory://"}))
    app.conf.broker_url = "memory://"
    return Service(app, scheduler_cls=app.conf.beat_scheduler).get_scheduler()  # as `celery beat` takes it


def test_beat_remembers_over_a_restart_what_was_done(tmp_path):
    first = scheduler(tmp_path)
    name = next(iter(first.schedule))
    first.schedule[name].last_run_at = then = datetime.now(UTC) - timedelta(hours=5)
    old = os.umask(0o022)
    try:
        first.close()
    finally:
        os.umask(old)
    assert scheduler(tmp_path).schedule[name].last_run_at == then
    assert (tmp_path / "beat.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", list(hostile_pickle.values(Path())))
def test_a_pickle_in_the_file_of_beat_runs_nothing(tmp_path, kind):
    mark = tmp_path / "ran"
    (tmp_path / "beat.json").write_bytes(hostile_pickle.values(mark)[kind])
    assert scheduler(tmp_path).schedule
    assert not mark.exists()


def test_a_shelf_of_pickles_of_an_older_release_is_not_opened(tmp_path):
    mark = tmp_path / "ran"
    with shelve.open(str(tmp_path / "celerybeat-schedule")) as shelf:  # noqa: S301 - it is only written
        shelf["entries"] = hostile_pickle.Runs(mark)
    assert scheduler(tmp_path).schedule
    assert not mark.exists()


def test_a_job_done_in_the_future_is_not_put_off(tmp_path):
    name = next(iter(scheduler(tmp_path).schedule))
    (tmp_path / "beat.json").write_text(json.dumps({name: 1e11}))
    assert scheduler(tmp_path).schedule[name].last_run_at <= datetime.now(UTC)
