"""All times of a call come from one clock, and the row has what the client got: status, headers and figures."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest

from tests.support import sample
from tests.support.books.ledger import committed, row_of, rows_of
from tests.support.books.money import samples, settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.commands import run_each
from tests.support.servers.gateway import Gateway

pytestmark = pytest.mark.both_modes

KEY = "sk-timer.timer-secret"
ENDED = "sk-ended.ended-secret"
ASLEEP = "sk-asleep.asleep-secret"


def config(endpoint, closed_port):
    def nowhere(alias, **more):
        return sample.row(alias, f"up-{alias}", f"http://127.0.0.1:{closed_port}/v1", **more)

    names = ("timed", "fails", "breaks", "cut", "begun", "ended", "asleep", "refused", "late")
    return {
        **sample.NO_LIMITS,
        "streams": {"heartbeat": "100ms"},
        "server": {"graceful_shutdown_delay": "1s"},
        "model_catalog": [
            *(sample.row(name, f"up-times-{name}", endpoint) for name in names),
            sample.row("vectors", "up-times-vectors", endpoint, model_type="embedding"),
            sample.row(
                "saved", "up-times-saved-a", f"http://127.0.0.1:{closed_port}/v1", deployment="saved-a"
            ),
            sample.row("saved", "up-times-saved-b", endpoint, deployment="saved-b", priority=1),
            nowhere("nowhere"),
            sample.row("no-host", "up-no-host", "http://no-such-host.invalid/v1"),
        ],
        "bootstrap": {
            "tenants": [{"name": "timers"}, {"name": "sleepers"}],
            "api_keys": [
                sample.key("timers", KEY, budget_usd=5, rate_limit={"requests_per_minute": 1000}),
                sample.key("timers", ENDED),
                sample.key("sleepers", ASLEEP),
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("times") / "data"
    with Gateway(config(upstream.base_url, closed_port), data_dir) as server:
        yield server


CALLS = {
    "plain": ("timed", {}, {}),
    "stream": ("timed", {}, {"stream": True}),
    "stream that begins late, after heartbeats": ("late", {"delay": 0.35}, {"stream": True}),
    "stream after a try elsewhere": ("saved", {}, {"stream": True}),
    "stream without pauses": ("timed", {"chunks": 200}, {"stream": True}),
    "stream that breaks": ("breaks", {"end": "cut", "after": 3}, {"stream": True}),
    "failure": ("fails", {"kind": "status", "status": 500}, {}),
    "refusal of the provider": ("refused", {"kind": "status", "status": 400}, {}),
}


@pytest.mark.parametrize("name", CALLS)
async def test_times_of_a_call_fit_its_total_and_agree_everywhere(gateway, upstream, name):
    model, behavior, more = CALLS[name]
    for each in (model, f"{model}-b"):
        upstream.script(f"up-times-{each}", behavior)
    answer = await ask(gateway.url, KEY, question(model, **more))
    row = await row_of(gateway, answer.id)
    assert 0 < row["overhead_ms"] <= row["latency_ms"]
    if row["ttft_ms"] is not None:
        assert 0 < row["ttft_ms"] <= row["latency_ms"]
        assert row["overhead_ms"] <= row["ttft_ms"]
    assert (row["ttft_ms"] is not None) == (answer.status == 200 and more.get("stream", False))
    if "x-gateway-overhead-ms" in answer.headers:
        assert float(answer.headers["x-gateway-overhead-ms"]) == pytest.approx(row["overhead_ms"], abs=0.0006)
    assert row["http_status"] == answer.status
    [(_, story)] = await asyncio.to_thread(run_each, gateway, ["explain", answer.id])
    said = next(line for line in story if " of them the gateway's own" in line)
    whole, own = (float(each.replace(",", "")) for each in re.findall(r"([\d.,]+) ms", said)[:2])
    assert whole == pytest.approx(row["latency_ms"], abs=0.51)
    assert own == pytest.approx(row["overhead_ms"], abs=0.51)


async def test_embeddings_and_metrics_report_the_same_times(gateway):
    await settled(gateway)
    before = await samples(gateway)
    async with gateway.client(KEY) as client:
        answer = await client.post("/v1/embeddings", json={"model": "vectors", "input": "hi"})
    row = await row_of(gateway, answer.headers["x-request-id"])
    after = await samples(gateway)
    overhead = "gateway_overhead_seconds"
    assert 0 < row["overhead_ms"] <= row["latency_ms"]
    assert after[f"{overhead}_count"] - before[f"{overhead}_count"] == 1
    told = (after[f"{overhead}_sum"] - before[f"{overhead}_sum"]) * 1000
    assert told == pytest.approx(row["overhead_ms"], abs=0.001)
    whole = "gateway_request_duration_seconds_sum"
    assert (after[whole] - before[whole]) * 1000 >= row["latency_ms"]


@pytest.mark.parametrize("model", ["nowhere", "no-host", "fails", "refused", "timed"])
async def test_the_headers_of_an_answer_are_those_after_the_call(gateway, upstream, model):
    """Nothing of an answer that is not a stream is held any more, however the call ended."""
    upstream.script("up-times-fails", {"kind": "status", "status": 500})
    upstream.script("up-times-refused", {"kind": "status", "status": 400})
    upstream.script("up-times-timed", {})
    answer = await ask(gateway.url, KEY, question(model))
    assert answer.headers["x-budget-limit-usd"] == "5.00"
    assert answer.headers["x-budget-held-usd"] == "0.00"


async def cut(gateway, upstream, *calls):
    """Begin calls that the provider does not answer, and wait until it has them."""
    tasks = []
    for key, name, stream in calls:
        upstream.script(f"up-times-{name}", {"hold_before_head": True})
        tasks.append(asyncio.create_task(ask(gateway.url, key, question(name, stream=stream))))
        await upstream.wait("arrived", model=f"up-times-{name}")
    return tasks


async def test_a_call_whose_key_ends_is_in_the_ledger_with_the_status_that_its_client_saw(gateway, upstream):
    calls = [(ENDED, "ended", False), (ASLEEP, "asleep", False)]
    revoked, suspended = await cut(gateway, upstream, *calls)
    script = "from tenants.services import suspend_tenant; from tenants.models import Tenant; "
    script += "from tenants.audit import Actor; suspend_tenant("
    script += "Tenant.objects.get(name='sleepers').pk, actor=Actor('test'))"
    await asyncio.to_thread(run_each, gateway, ["revoke", "ended"], ["shell", "-v", "0", "-c", script])
    answers = await asyncio.gather(revoked, suspended)
    assert [answer.status for answer in answers] == [401, 403]
    rows = await rows_of(gateway, *(answer.id for answer in answers))
    assert [(row["status"], row["http_status"], row["error_code"]) for row in rows] == [
        ("cancelled", 401, "key_revoked"),
        ("cancelled", 403, "tenant_suspended"),
    ]
    upstream.release(model="up-times-ended")
    upstream.release(model="up-times-asleep")


async def test_a_call_cut_by_a_stop_is_in_the_ledger_with_the_status_that_its_client_saw(
    upstream, closed_port, tmp_path
):
    """A plain call is 503; a stream that was held open by heartbeats had said 200 before."""
    gateway = Gateway(config(upstream.base_url, closed_port), tmp_path / "data").start()
    plain, stream = await cut(gateway, upstream, (KEY, "cut", False), (KEY, "begun", True))
    gateway.send(signal.SIGTERM)
    answers = [await plain, await stream]
    assert gateway.wait() == 0
    assert [answer.status for answer in answers] == [503, 200]
    assert answers[0].headers["x-budget-held-usd"] != ""
    found = {row["id"]: row for row in committed(gateway)}
    assert [
        (found[each.id]["status"], found[each.id]["http_status"], found[each.id]["error_code"])
        for each in answers
    ] == [("cancelled", 503, "server_shutdown"), ("cancelled", 200, "server_shutdown")]
    assert all(0 < row["overhead_ms"] <= row["latency_ms"] for row in found.values())
