"""The next deployment answers when the first fails before its first content, and only then."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged

SHORT = {
    "connect": "2s",
    "first_byte": "500ms",
    "idle": "500ms",
    "total": "30s",
}  # of a provider that fails anyway
MISTAKES = (400, 413, 422)
OTHERS = (*(f"mistake-{number}" for number in MISTAKES), "begun", "limited", "failed", "failed-over")
FAILURES = {
    **{
        str(number): {"kind": "status", "status": number}
        for number in (401, 403, 404, 408, 409, 425, 429, 500, 503, 529)
    },
    "html": {"kind": "html"},
    "reset": {"kind": "reset_before_head"},
    "silence": {"kind": "hang_before_head"},
}
ONLY_JSON = {
    "malformed": {"kind": "malformed"},
    "truncated": {"kind": "truncated"},
    "empty": {"kind": "empty"},
}
ONLY_STREAM = {
    f"{end} after the role": {"end": end, "after": 0}
    for end in ("cut", "drop", "reset", "error", "malformed", "stall")
}
CASES = [
    *((how, False) for how in (*FAILURES, *ONLY_JSON)),
    *((how, True) for how in (*FAILURES, *ONLY_STREAM)),
]


async def ask(gateway, model, **more):
    async with gateway.client(sample.BOB) as client:
        return await client.post("/v1/chat/completions", json=question(model, **more))


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    """Yield one gateway with a pair of deployments for every case, so that failures stay within their case."""
    rows = [
        sample.row(
            f"pair-{name}",
            f"up-pair-{name}-{place}",
            upstream.base_url,
            deployment=f"{name}-{place}",
            priority=place == "b",
            **({"timeouts": SHORT} if place == "a" else {}),
        )
        for name in (*range(len(CASES)), *OTHERS)
        for place in ("a", "b")
    ]
    nowhere = f"http://127.0.0.1:{closed_port}/v1"
    rows += [
        sample.row("half", "up-half", nowhere, deployment="dead", priority=0),
        sample.row("half", "up-half", upstream.base_url, deployment="alive", priority=1),
    ]
    config = merged(sample.config(upstream.base_url, closed_port), {"model_catalog": rows})
    with Gateway(config, tmp_path_factory.mktemp("pairs") / "data") as server:
        yield server


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{how}-{'stream' if s else 'json'}" for how, s in CASES]
)
async def test_second_deployment_answers_when_the_first_fails(gateway, upstream, number):
    how, stream = CASES[number]
    behavior = {**FAILURES, **ONLY_JSON, **ONLY_STREAM}[how]
    upstream.script(f"up-pair-{number}-a", behavior)
    answer = await ask(gateway, f"pair-{number}", stream=stream)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-gateway-deployment"] == f"{number}-b"
    assert answer.headers["x-gateway-attempts"] == "2"
    assert answer.text.count(" word") == 5
    assert "error" not in answer.text


async def test_a_dead_host_fails_over(gateway):
    answer = await ask(gateway, "half")
    assert (answer.status_code, answer.headers["x-gateway-deployment"]) == (200, "alive")


@pytest.mark.parametrize("number", MISTAKES)
async def test_a_clients_own_mistake_does_not_fail_over(gateway, upstream, number):
    upstream.script(f"up-pair-mistake-{number}-a", {"kind": "status", "status": number})
    answer = await ask(gateway, f"pair-mistake-{number}")
    assert answer.status_code == number
    assert answer.headers["x-gateway-attempts"] == "1"
    assert not upstream.seen(model=f"up-pair-mistake-{number}-b")


async def test_no_failover_happens_after_the_first_content(gateway, upstream):
    upstream.script("up-pair-begun-a", {"end": "cut", "after": 1})
    answer = await ask(gateway, "pair-begun", stream=True)
    assert answer.text.count(" word") == 1
    assert "[DONE]" not in answer.text
    assert not upstream.seen(model="up-pair-begun-b")


async def test_when_all_are_rate_limited_the_earliest_retry_after_is_sent(gateway, upstream):
    for place, seconds in (("a", "40"), ("b", "9")):
        limited = {"kind": "status", "status": 429, "headers": {"retry-after": seconds}}
        upstream.script(f"up-pair-limited-{place}", limited)
    answer = await ask(gateway, "pair-limited")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "upstream_rate_limited")
    assert answer.headers["retry-after"] == "9"


async def test_when_all_deployments_fail_there_is_one_error_and_one_row(gateway, upstream):
    upstream.script("up-pair-failed-a", {"kind": "status", "status": 500})
    upstream.script("up-pair-failed-b", {"kind": "html"})
    answer = await ask(gateway, "pair-failed")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    [row] = [row for row in await whole_ledger(gateway) if row["model"] == "pair-failed"]
    assert row["id"] == answer.headers["x-request-id"]
    assert (row["attempts"], row["status"]) == (2, "error")


async def test_a_call_that_failed_over_is_one_row_of_the_deployment_that_answered(gateway, upstream):
    upstream.script("up-pair-failed-over-a", {"kind": "status", "status": 500})
    await ask(gateway, "pair-failed-over")
    [row] = [row for row in await whole_ledger(gateway) if row["model"] == "pair-failed-over"]
    answered = (row["deployment"], row["upstream_model"], row["attempts"])
    assert answered == ("failed-over-b", "up-pair-failed-over-b", 2)
