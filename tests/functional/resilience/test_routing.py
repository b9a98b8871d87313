"""Breakers, deadlines, hints, needs and fallbacks through the whole gateway."""

from __future__ import annotations

import asyncio

import openai
import pytest

from tests.support import sample
from tests.support.sample import ALICE, BOB, ONLY_CHAT_MODEL, row
from tests.support.servers.gateway import Gateway, merged
from tests.support.waiting import eventually

OPENS_AT = 5  # failures in a row
LOOKS = 5  # within the time a test has (2 m): a deployment rests for 4 s at least, and twice as long each time it fails
QUESTION = [{"role": "user", "content": "hi"}]
BROKEN = {"kind": "status", "status": 500, "body": {"error": {"message": "no"}}}
PATIENCE = {
    "connect": "2s",
    "first_byte": "60s",
    "idle": "60s",
    "total": "90s",
}  # more than a client of a test has


def catalog(endpoint):
    seeing = {"modalities": ["text", "image"]}
    return {
        "health": {"cooldown": "400ms"},
        "model_catalog": [
            row("duo", "r-a", endpoint, deployment="duo-a", priority=0),
            row("duo", "r-b", endpoint, deployment="duo-b", priority=1),
            row("alone", "r-alone", endpoint),
            row("patient", "r-patient", endpoint, timeouts=PATIENCE),
            row("backed", "r-backed", endpoint, fallbacks=["alone"]),
            row("filtered", "r-filtered", endpoint, fallbacks={"content_filter": ["alone"]}),
            row("short", "r-short", endpoint, context_window=50, fallbacks={"context_window": ["alone"]}),
            row("tiny", "r-tiny", endpoint, context_window=50),
            row("eyes", "r-blind", endpoint, deployment="blind", modalities=["text"], supports_tools=False),
            row("eyes", "r-seeing", endpoint, deployment="seeing", priority=1, **seeing),
            row("blindly", "r-blindly", endpoint, modalities=["text"], supports_tools=False),
        ],
        "bootstrap": {"tenants": [], "api_keys": []},
    }


@pytest.fixture(scope="module")
def routed(upstream, closed_port, tmp_path_factory):
    config = merged(sample.config(upstream.base_url, closed_port), catalog(upstream.base_url))
    with Gateway(config, tmp_path_factory.mktemp("routed") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def resting(upstream, closed_port, tmp_path_factory):
    """Yield a gateway that leaves alone what fails for as long as it may; each model is for one test."""
    rows = [
        row("resting-duo", "r-resting-a", upstream.base_url, deployment="resting-a", priority=0),
        row("resting-duo", "r-resting-b", upstream.base_url, deployment="resting-b", priority=1),
        row("resting-alone", "r-resting-alone", upstream.base_url),
        row("resting-limited", "r-resting-limited", upstream.base_url),
    ]
    config = merged(
        sample.config(upstream.base_url, closed_port), {"health": {"cooldown": "120s"}, "model_catalog": rows}
    )
    with Gateway(config, tmp_path_factory.mktemp("resting") / "data") as server:
        yield server


async def ask(server, model, *, key=ALICE, headers=None, **more):
    async with server.client(key) as client:
        body = {"model": model, "messages": QUESTION, **more}
        return await client.post("/v1/chat/completions", json=body, headers=headers)


async def test_broken_deployment_gets_no_calls(resting, upstream):
    upstream.script("r-resting-a", BROKEN)
    answers = [await ask(resting, "resting-duo") for _ in range(60)]
    assert {(a.status_code, a.headers["x-gateway-deployment"]) for a in answers} == {(200, "resting-b")}
    tries = [answer.headers["x-gateway-attempts"] for answer in answers]
    assert tries[:OPENS_AT] == ["2"] * OPENS_AT
    assert tries.count("2") <= OPENS_AT + LOOKS
    assert len(upstream.seen(model="r-resting-a")) == tries.count("2")


async def test_recovered_deployment_gets_calls_again(routed, upstream):
    upstream.script("r-a", BROKEN)
    upstream.script("r-b", {"kind": "ok"})

    async def tries():
        answer = await ask(routed, "duo")
        assert (answer.status_code, answer.headers["x-gateway-deployment"]) == (200, "duo-b")
        return answer.headers["x-gateway-attempts"]

    for _ in range(OPENS_AT):
        assert await tries() == "2"
    await eventually(tries, lambda number: number == "1")
    async with routed.client() as client:
        metrics = (await client.get("/metrics")).text
    assert 'gateway_deployment_state{deployment="duo-a"} 0.' in metrics  # out, or on its way back

    upstream.script("r-a", {"kind": "ok"})

    async def served():
        answer = await ask(routed, "duo")
        assert answer.status_code == 200
        return answer

    # Three probes, then a share that grows: real calls are what brings it back.
    answer = await eventually(served, lambda answer: answer.headers["x-gateway-deployment"] == "duo-a")
    assert answer.headers["x-gateway-attempts"] == "1"


async def test_an_outage_is_not_amplified(resting, upstream):
    upstream.script("r-resting-alone", BROKEN)
    answers = [await ask(resting, "resting-alone") for _ in range(OPENS_AT)]
    answers += await asyncio.gather(*(ask(resting, "resting-alone") for _ in range(60)))
    codes = [answer.json()["error"]["code"] for answer in answers]
    assert codes[:OPENS_AT] == ["upstream_error"] * OPENS_AT
    assert set(codes) == {"upstream_error", "no_deployment_available"}  # how many a second: test_outage.py
    assert all(a.status_code == 503 and "retry-after" in a.headers for a in answers if a.status_code != 502)
    assert len(upstream.seen(model="r-resting-alone")) == codes.count("upstream_error")


async def test_after_an_outage_of_the_only_deployment_calls_are_served_again(routed, upstream):
    upstream.script("r-alone", BROKEN)
    for _ in range(OPENS_AT):
        assert (await ask(routed, "alone")).status_code == 502
    upstream.script("r-alone", {"kind": "ok"})
    await eventually(lambda: ask(routed, "alone"), lambda answer: answer.status_code == 200)


async def test_bad_prompts_of_one_tenant_do_not_disturb_another(shared_gateway, upstream):
    upstream.script(
        "up-m19",
        *[{"kind": "status", "status": 400, "body": {"error": {"message": "bad"}}}] * 9,
        {"kind": "ok"},
    )
    for _ in range(9):
        assert (await ask(shared_gateway, "m19")).status_code == 400
    answer = await ask(shared_gateway, "m19", key=BOB)
    assert (answer.status_code, answer.headers["x-gateway-attempts"]) == (200, "1")


async def test_a_clients_deadline_ends_the_call_and_says_nothing_about_the_provider(routed, upstream):
    upstream.script("r-patient", {"kind": "hang_before_head"})
    for _ in range(6):  # nothing else ends these calls before the client itself gives up
        answer = await ask(routed, "patient", headers={"X-Request-Timeout-Ms": "60"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
    upstream.script("r-patient", {"kind": "ok"})
    answer = await ask(routed, "patient")
    assert (answer.status_code, answer.headers["x-gateway-attempts"]) == (200, "1")


@pytest.mark.parametrize("value", ["0", "-1", "soon", "600001", "1.5"])
async def test_a_deadline_that_is_no_number_of_milliseconds_is_refused(routed, value):
    answer = await ask(routed, "alone", headers={"X-Request-Timeout-Ms": value})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "X-Request-Timeout-Ms")


async def test_fallback_alias_answers_when_the_requested_one_cannot(routed, upstream):
    upstream.script("r-backed", BROKEN)
    answer = await ask(routed, "backed")
    assert (answer.status_code, answer.json()["model"]) == (200, "backed")
    assert (answer.headers["x-gateway-model"], answer.headers["x-gateway-fallback"]) == (
        "alone",
        "unavailable",
    )


async def test_fallback_alias_answers_what_a_content_filter_refused(routed, upstream):
    error = {"error": {"message": "filtered", "code": "content_filter"}}
    upstream.script("r-filtered", {"kind": "status", "status": 400, "body": error})
    answer = await ask(routed, "filtered")
    assert (answer.status_code, answer.headers["x-gateway-fallback"]) == (200, "content_filter")


async def test_a_long_prompt_goes_to_the_longer_alias_or_is_refused_by_name(routed):
    long = [{"role": "user", "content": "one two three " * 100}]
    answer = await ask(routed, "short", messages=long)
    assert (answer.status_code, answer.headers["x-gateway-fallback"]) == (200, "context_window")
    client = routed.openai(ALICE)
    with pytest.raises(openai.BadRequestError) as refusal:
        await client.chat.completions.create(model="tiny", messages=long)
    assert (refusal.value.code, refusal.value.param) == ("context_length_exceeded", "messages")
    await client.close()


async def test_pictures_and_tools_go_where_they_can_be_taken(routed):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "what?"}, picture]}]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert (await ask(routed, "eyes")).headers["x-gateway-deployment"] == "blind"
    assert (await ask(routed, "eyes", messages=messages)).headers["x-gateway-deployment"] == "seeing"
    assert (await ask(routed, "eyes", tools=tools)).headers["x-gateway-deployment"] == "seeing"
    for more, param in (({"messages": messages}, "messages"), ({"tools": tools}, "tools")):
        error = (await ask(routed, "blindly", **more)).json()["error"]
        assert (error["code"], error["param"]) == ("model_cannot", param)


async def test_a_hint_chooses_among_the_deployments_and_a_bad_one_is_refused(routed, upstream):
    upstream.script("r-b", {"kind": "ok"})
    answer = await ask(routed, "duo", headers={"X-Gateway-Route": "only=duo-b"})
    assert answer.headers["x-gateway-deployment"] == "duo-b"
    error = (await ask(routed, "duo", headers={"X-Gateway-Route": "only=alone-1"})).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_route_hint", "X-Gateway-Route")


async def test_a_key_never_falls_back_to_what_it_may_not_use(routed):
    answer = await ask(routed, "backed", key=ONLY_CHAT_MODEL)
    assert answer.status_code == 403


async def test_no_call_is_sent_before_the_retry_after_ends(resting, upstream):
    limited = {"kind": "status", "status": 429, "headers": {"Retry-After": "120"}, "body": {}}
    upstream.script("r-resting-limited", limited)
    first = await ask(resting, "resting-limited")
    rest = [await ask(resting, "resting-limited") for _ in range(5)]
    assert {a.json()["error"]["code"] for a in (first, *rest)} == {"upstream_rate_limited"}
    told = [int(a.headers["retry-after"]) for a in rest]
    assert told == sorted(told, reverse=True)
    assert 60 <= told[-1] <= told[0] <= 133  # up to a tenth more, so that not all come back at once
    assert len(upstream.seen(model="r-resting-limited")) == 1
