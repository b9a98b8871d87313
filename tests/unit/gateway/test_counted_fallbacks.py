"""A process that continues without a store counts that; while the store answers, nothing is counted."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis

from budgets.admission.interface import AdmissionUnavailable, LimitStatus
from gateway import runtime
from gateway.inference import call_context, unknown_members
from gateway.inference.call_context import CallContext
from gateway.invalidation.health_hints import HealthHintBus
from gateway.stores.database_threads import DatabaseThreads
from providers.resilience.health_hint import HealthHint
from tests.support.clients.signing import SIGNER

AWAY = AdmissionUnavailable("away")


@pytest.fixture
def live(monkeypatch):
    live = cast("Any", SimpleNamespace(rulebook=None))
    monkeypatch.setattr(call_context, "rules_for", lambda *_: ())
    runtime.install(live)
    yield live
    runtime.install(None)


@pytest.mark.parametrize(
    ("outcome", "found", "noted"), [(LimitStatus(), LimitStatus(), {}), (AWAY, None, {"standing_headers": 1})]
)
async def test_headers_without_a_limit_status_are_counted(live, fallbacks, outcome, found, noted):
    async def read(_rules):
        if outcome is AWAY:
            raise AWAY
        return outcome

    live.admission = SimpleNamespace(status=read)
    assert await CallContext(caller=cast("Any", object())).read_limit_status() == found
    assert fallbacks() == noted


@pytest.mark.parametrize(
    ("error", "noted"), [(None, {}), (redis.ConnectionError("away"), {"health_hint_untold": 1})]
)
async def test_a_hint_that_could_not_be_sent_is_counted(monkeypatch, fallbacks, error, noted):
    sent = asyncio.Event()

    async def send(*_):
        sent.set()
        if error is not None:
            raise error

    class Client(contextlib.nullcontext[None]):
        publish = staticmethod(send)

    monkeypatch.setattr("redis.asyncio.Redis.from_url", lambda *_, **__: Client())
    hints = HealthHintBus("redis://localhost", lambda: 7, SIGNER)
    hints.publish(HealthHint(1, "open", 1.0))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(hints.run())
        await sent.wait()  # the error is counted before `run` waits again
        running.cancel()
    assert fallbacks() == noted


@pytest.mark.parametrize(("error", "noted"), [(None, {}), (OSError("away"), {"unknown_members": 1})])
async def test_members_that_could_not_be_refused_are_counted(fallbacks, monkeypatch, error, noted):
    def write(*_, **__):
        if error is not None:
            raise error
        return False

    monkeypatch.setattr("catalog.services.refuse_members", write)
    threads, works = DatabaseThreads(), list[Any]()
    running = SimpleNamespace(run_in_background=works.append)
    live = cast("Any", SimpleNamespace(database=threads, in_flight=running))
    route = cast(
        "Any", SimpleNamespace(all_deployments=[SimpleNamespace(target=SimpleNamespace(id=1, name="east"))])
    )
    close = cast("Any", SimpleNamespace(id="req_1", deployment="east"))
    unknown_members.refuse_members(live, route, ("later",), close)
    await works.pop()
    await threads.close()
    assert fallbacks() == noted
