"""Breakers, deadlines, hints, needs and fallbacks through the whole gateway."""

from __future__ import annotations

import asyncio
import os
import time

import openai
import pytest

from tests import town
from tests.servers import Gateway, merged
from tests.town import ALICE, BOB, ONLY_CHAT_MODEL, row

WORKERS = int(os.environ.get("OMG_TEST_WORKERS") or 1)
QUESTION = [{"role": "user", "content": "hi"}]
BROKEN = {"kind": "status", "status": 500, "body": {"error": {"message": "no"}}}


def catalog(endpoint):
    seeing = {"modalities": ["text", "image"]}
    return {
        "health": {"cooldown": "400ms"},
        "model_catalog": [
            row("duo", "r-a", endpoint, deployment="duo-a", priority=0),
            row("duo", "r-b", endpoint, deployment="duo-b", priority=1),
            row("alone", "r-alone", endpoint),
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
    config = merged(town.config(upstream.base_url, closed_port), catalog(upstream.base_url))
    with Gateway(config, tmp_path_factory.mktemp("routed") / "data") as server:
        yield server


async def ask(server, model, *, key=ALICE, headers=None, **more):
    async with server.client(key) as client:
        body = {"model": model, "messages": QUESTION, **more}
        return await client.post("/v1/chat/completions", json=body, headers=headers)


async def test_a_broken_deployment_is_left_alone_and_comes_back(routed, upstream):
    upstream.script("r-a", BROKEN)
    upstream.script("r-b", {"kind": "ok"})
    tries: list[str] = []
    while not tries or tries[-1] != "1":
        answer = await ask(routed, "duo")
        assert (answer.status_code, answer.headers["x-gateway-deployment"]) == (200, "duo-b")
        tries.append(answer.headers["x-gateway-attempts"])
    assert 5 <= tries.count("2") <= 5 * WORKERS
    async with routed.client() as client:
        metrics = (await client.get("/metrics")).text
    assert 'gateway_deployment_state{deployment="duo-a"} 0.' in metrics  # out, or on its way back

    upstream.script("r-a", {"kind": "ok"})
    async with asyncio.timeout(20):
        while True:  # three probes, then a share that grows: real calls are what brings it back
            answer = await ask(routed, "duo")
            assert answer.status_code == 200
            if answer.headers["x-gateway-deployment"] == "duo-a":
                break
    assert answer.headers["x-gateway-attempts"] == "1"


async def test_an_outage_is_not_amplified(routed, upstream):
    upstream.script("r-alone", BROKEN)
    began = time.monotonic()
    answers = [await ask(routed, "alone") for _ in range(60)]
    seconds = time.monotonic() - began
    codes = {answer.json()["error"]["code"] for answer in answers}
    assert codes <= {"upstream_error", "no_deployment_available"}
    assert all(a.status_code == 503 and "retry-after" in a.headers for a in answers if a.status_code != 502)
    assert len(upstream.seen(model="r-alone")) <= 5 + 3 * (seconds + 1) + 3 * seconds / 0.32
    upstream.script("r-alone", {"kind": "ok"})
    async with asyncio.timeout(10):
        while (await ask(routed, "alone")).status_code != 200:
            pass


async def test_bad_prompts_of_one_tenant_do_not_disturb_another(gateway, upstream):
    upstream.script(
        "up-m19",
        *[{"kind": "status", "status": 400, "body": {"error": {"message": "bad"}}}] * 9,
        {"kind": "ok"},
    )
    for _ in range(9):
        assert (await ask(gateway, "m19")).status_code == 400
    answer = await ask(gateway, "m19", key=BOB)
    assert (answer.status_code, answer.headers["x-gateway-attempts"]) == (200, "1")


async def test_a_clients_deadline_ends_the_call_and_says_nothing_about_the_provider(routed, upstream):
    upstream.script("r-alone", {"kind": "hang_before_head"})
    for _ in range(6):
        began = time.monotonic()
        answer = await ask(routed, "alone", headers={"X-Request-Timeout-Ms": "60"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
        assert time.monotonic() - began < 1.5
    upstream.script("r-alone", {"kind": "ok"})
    assert (await ask(routed, "alone")).status_code == 200


@pytest.mark.parametrize("value", ["0", "-1", "soon", "600001", "1.5"])
async def test_a_deadline_that_is_no_number_of_milliseconds_is_refused(routed, value):
    answer = await ask(routed, "alone", headers={"X-Request-Timeout-Ms": value})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "X-Request-Timeout-Ms")


async def test_another_alias_answers_when_the_own_one_cannot(routed, upstream):
    upstream.script("r-backed", BROKEN)
    answer = await ask(routed, "backed")
    assert (answer.status_code, answer.json()["model"]) == (200, "backed")
    assert (answer.headers["x-gateway-model"], answer.headers["x-gateway-fallback"]) == (
        "alone",
        "unavailable",
    )


async def test_another_alias_answers_what_a_filter_refused(routed, upstream):
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


async def test_nobody_calls_before_the_retry_after_ends(fresh_gateway, upstream):
    server = fresh_gateway({"health": {"cooldown": "60s"}})
    limited = {"kind": "status", "status": 429, "headers": {"Retry-After": "30"}, "body": {}}
    upstream.script("up-m20", limited)
    first = await ask(server, "m20")
    rest = [await ask(server, "m20") for _ in range(5)]
    assert {a.json()["error"]["code"] for a in (first, *rest)} == {"upstream_rate_limited"}
    assert all(int(a.headers["retry-after"]) >= 29 for a in rest)
    assert len(upstream.seen(model="up-m20")) == 1
