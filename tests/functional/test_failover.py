"""The next deployment answers when the first fails before its first content, and only then."""

from __future__ import annotations

import pytest

from tests import town
from tests.ledger import committed
from tests.raw_calls import question
from tests.servers import Gateway, merged

FIRST, SECOND = "up-a", "up-b"
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


@pytest.fixture
def gateway(fresh_gateway):
    """A gateway of one's own: the shared one remembers which deployments failed."""
    return fresh_gateway()


async def ask(gateway, model="pair", **more):
    async with gateway.client(town.BOB) as client:
        return await client.post("/v1/chat/completions", json=question(model, **more))


@pytest.fixture(scope="module")
def several_pairs(upstream, closed_port, tmp_path_factory):
    """Yield one gateway with a pair of deployments for every case, so that no case sees another's failures."""
    rows = [
        town.row(
            f"pair-{number}",
            f"up-pair-{number}-{place}",
            upstream.base_url,
            deployment=place,
            priority=place == "b",
        )
        for number in range(len(CASES))
        for place in ("a", "b")
    ]
    config = merged(town.config(upstream.base_url, closed_port), {"model_catalog": rows})
    with Gateway(config, tmp_path_factory.mktemp("pairs") / "data") as server:
        yield server


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{how}-{'stream' if s else 'json'}" for how, s in CASES]
)
async def test_the_second_answers_when_the_first_fails(several_pairs, upstream, number):
    how, stream = CASES[number]
    behavior = {**FAILURES, **ONLY_JSON, **ONLY_STREAM}[how]
    upstream.script(f"up-pair-{number}-a", behavior)
    answer = await ask(several_pairs, f"pair-{number}", stream=stream)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-gateway-deployment"] == "b"
    assert answer.headers["x-gateway-attempts"] == "2"
    assert answer.text.count(" word") == 5
    assert "error" not in answer.text


async def test_a_dead_host_fails_over(fresh_gateway, upstream, closed_port):
    rows = [
        town.row("half", "up-half", f"http://127.0.0.1:{closed_port}/v1", deployment="dead", priority=0),
        town.row("half", "up-half", upstream.base_url, deployment="alive", priority=1),
    ]
    answer = await ask(fresh_gateway({"model_catalog": rows}), "half")
    assert (answer.status_code, answer.headers["x-gateway-deployment"]) == (200, "alive")


@pytest.mark.parametrize("number", [400, 413, 422])
async def test_a_clients_own_mistake_does_not_fail_over(fresh_gateway, upstream, number):
    gateway = fresh_gateway()
    upstream.script(FIRST, {"kind": "status", "status": number})
    upstream.script(SECOND, {})
    answer = await ask(gateway)
    assert answer.status_code == number
    assert answer.headers["x-gateway-attempts"] == "1"
    assert not upstream.seen(model=SECOND, call=answer.headers["x-request-id"])


async def test_after_the_first_content_nobody_fails_over(gateway, upstream):
    upstream.script(FIRST, {"end": "cut", "after": 1})
    upstream.script(SECOND, {})
    answer = await ask(gateway, stream=True)
    assert answer.text.count(" word") == 1
    assert "[DONE]" not in answer.text
    assert not upstream.seen(model=SECOND, call=answer.headers["x-request-id"])


async def test_when_all_are_rate_limited_the_earliest_return_is_told(gateway, upstream):
    for model, seconds in ((FIRST, "40"), (SECOND, "9")):
        upstream.script(model, {"kind": "status", "status": 429, "headers": {"retry-after": seconds}})
    answer = await ask(gateway)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "upstream_rate_limited")
    assert answer.headers["retry-after"] == "9"


async def test_when_all_fail_it_is_one_error_and_one_row(gateway, upstream):
    upstream.script(FIRST, {"kind": "status", "status": 500})
    upstream.script(SECOND, {"kind": "html"})
    answer = await ask(gateway)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    gateway.stop()
    [row] = committed(gateway)
    assert row["attempts"] == 2
    assert row["status"] == "error"


async def test_a_call_that_failed_over_is_one_row_of_the_deployment_that_answered(gateway, upstream):
    upstream.script(FIRST, {"kind": "status", "status": 500})
    upstream.script(SECOND, {})
    await ask(gateway)
    gateway.stop()
    [row] = committed(gateway)
    assert (row["deployment"], row["upstream_model"], row["attempts"]) == ("pair-b", SECOND, 2)
