"""Which tenant or deployment a provider's error counts for, on one gateway, and which message each party gets."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support import sample
from tests.support.books.why import stories_of
from tests.support.clients.raw_calls import ask, question
from tests.support.provider.errors import ACCOUNTS, KEYS, MODELS, TOO_LONG
from tests.support.provider.faulty import ALONE, LONGS, PAIRS, POOR, lines_of, says, serving
from tests.support.waiting import eventually
from tests.unit.providers.test_error_table import IN_STREAMS
from tests.unit.providers.test_request_additions import CAPS, REFUSALS

BOTH = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    with serving(upstream, closed_port, tmp_path_factory.mktemp("whose") / "data") as server:
        yield server


# B9, B10: additions and the way back


@pytest.mark.parametrize("who", REFUSALS)
async def test_a_stream_option_that_is_refused_is_left_out_and_remembered(gateway, upstream, who):
    model = PAIRS[list(REFUSALS).index(who)]
    status, body = REFUSALS[who]
    upstream.script(f"up-{model}", says(status, json.loads(body)), {})
    first = await ask(gateway.url, sample.ALICE, question(model, stream=True))
    again = await ask(gateway.url, sample.ALICE, question(model, stream=True))
    assert [answer.status for answer in (first, again)] == [200, 200]
    assert first.headers["x-gateway-deployment"] == again.headers["x-gateway-deployment"] == f"{model}-first"
    assert [first.headers["x-gateway-attempts"], again.headers["x-gateway-attempts"]] == ["2", "1"]
    assert "stream_options" not in again.headers["x-gateway-set"]
    sent = [json.loads(call["body"]) for call in upstream.seen(model=f"up-{model}")]
    assert ["stream_options" in body for body in sent] == [True, False, False]
    [line] = await lines_of(gateway, first.headers["x-request-id"])
    assert "stream_options" in line["reason"]


@BOTH
@pytest.mark.parametrize("who", CAPS)
async def test_a_cap_that_is_refused_goes_under_its_other_name(gateway, upstream, who, stream):
    model = ALONE[2 * list(CAPS).index(who) + stream]
    name, body = CAPS[who]
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[name]
    refuses = says(400, json.loads(body))
    behaviors = [refuses, {}] if name == "max_tokens" else [{}]
    upstream.script(f"up-{model}", *behaviors)
    answer = await ask(gateway.url, POOR, question(model, stream=stream))
    assert answer.status == 200
    told = {"max_tokens": "1024"} if name != "max_tokens" else {other: "1024"}
    [[member, cap]] = told.items()
    assert f"{member}={cap}" in answer.headers["x-gateway-set"]
    assert answer.headers["x-gateway-max-tokens"] == cap
    last = json.loads(upstream.seen(model=f"up-{model}")[-1]["body"])
    assert (last[member], len({"max_tokens", "max_completion_tokens"} & last.keys())) == (1024, 1)


async def test_refused_stream_option_and_cap_are_both_left_out(gateway, upstream):
    model = ALONE[10]
    both = [
        says(422, json.loads(REFUSALS["Mistral"][1])),
        says(400, json.loads(CAPS["a reasoning model"][1])),
    ]
    upstream.script(f"up-{model}", *both, {})
    answer = await ask(gateway.url, POOR, question(model, stream=True))
    assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "3")
    assert answer.headers["x-gateway-set"] == "max_completion_tokens=1024"


FETCHED = "400: unsupported picture at https://pictures.example/{}"  # the second time it is a good one


@pytest.mark.parametrize("name", ["stream_options", "max_tokens"])
async def test_a_tenants_picture_does_not_change_what_goes_with_others_calls(gateway, upstream, name):
    """Its server fails once, in words of its own, which the provider quotes."""
    model = ALONE[31 + (name == "max_tokens")]
    upstream.script(f"up-{model}", says(400, {"error": {"message": FETCHED.format(name)}}), {})
    theirs = await ask(gateway.url, POOR, question(model, stream=True))
    anothers = await ask(gateway.url, sample.BOB, question(model, stream=True))
    assert (theirs.status, theirs.headers["x-gateway-attempts"], anothers.status) == (200, "2", 200)
    assert anothers.headers["x-gateway-set"] == "max_tokens=1024, stream_options.include_usage=true"


async def test_a_providers_own_code_names_no_metric(gateway, upstream):
    """Its codes may be anything, also what a client wrote, and a label is kept for ever."""
    model = ALONE[33]
    for number in range(3):
        code = f"made-up-{number}\r\n"
        upstream.script(f"up-{model}", says(400, {"error": {"message": "no", "code": code}}))
        answer = await ask(gateway.url, sample.ALICE, question(model))
        assert (answer.status, answer.error["code"]) == (400, code)
    async with gateway.client() as client:
        text = (await client.get("/metrics")).text
    assert "made-up" not in text
    assert 'gateway_refusals_total{reason="upstream_refused"}' in text


async def test_a_row_says_that_nothing_is_added(gateway, upstream):
    answer = await ask(gateway.url, POOR, question("uncapped", stream=True))
    assert answer.status == 200
    assert "x-gateway-set" not in answer.headers
    [call] = upstream.seen(model="up-uncapped")
    assert not {"max_tokens", "max_completion_tokens", "stream_options"} & json.loads(call["body"]).keys()


async def test_a_refusal_of_other_things_is_passed_on_at_once(gateway, upstream):
    model = ALONE[11]
    refused = says(400, {"error": {"message": "temperature too hot", "code": "x"}})
    upstream.script(f"up-{model}", refused)
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert (answer.status, answer.error["message"]) == (400, "temperature too hot")
    assert len(upstream.seen(model=f"up-{model}")) == 1


# B20, B20b: the operator's account and credential


@pytest.mark.parametrize("number", range(len(ACCOUNTS)))
async def test_account_without_credit_fails_over_and_is_rested(gateway, upstream, number):
    model = PAIRS[10 + number]
    status, body, is_sure = ACCOUNTS[number]
    upstream.script(f"up-{model}", says(status, body))
    answers = [await ask(gateway.url, sample.ALICE, question(model)) for _ in range(8)]
    assert {(a.status, a.headers["x-gateway-deployment"]) for a in answers} == {(200, f"{model}-second")}
    assert len(upstream.seen(model=f"up-{model}")) == (1 if is_sure else 5)


@pytest.mark.parametrize("number", range(len(KEYS)))
async def test_wrong_provider_key_fails_over_and_is_not_shown_to_clients(gateway, upstream, number):
    model = PAIRS[30 + number]
    status, body = KEYS[number]
    upstream.script(f"up-{model}", says(status, body))
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert (answer.status, answer.headers["x-gateway-deployment"]) == (200, f"{model}-second")
    other = await ask(gateway.url, sample.BOB, question(model))  # the second tenant proves it
    assert other.status == 200
    await ask(gateway.url, sample.BOB, question(model))
    assert len(upstream.seen(model=f"up-{model}")) == 2

    def refused():
        return [line for line in gateway.records() if line["event"] == "deployment.refused"]

    await eventually(
        refused,
        lambda lines: (
            (f"{model}-first", "credential") in {(line["deployment"], line["fault"]) for line in lines}
        ),
    )


@pytest.mark.parametrize("number", range(len(MODELS)))
async def test_unknown_upstream_model_fails_over_and_rests_nothing(gateway, upstream, number):
    model = PAIRS[45 + number]
    status, body = MODELS[number]
    upstream.script(f"up-{model}", says(status, body))
    answers = [await ask(gateway.url, key, question(model)) for key in (sample.ALICE, sample.BOB) * 3]
    assert {(a.status, a.headers["x-gateway-deployment"]) for a in answers} == {(200, f"{model}-second")}
    assert len(upstream.seen(model=f"up-{model}")) == 6


STATUSES = [405, 407, 411, 415, 421, 423, 424, 426, 428, 431, 499]  # no body brings these about


@pytest.mark.parametrize("status", STATUSES)
async def test_status_that_no_request_causes_fails_over(gateway, upstream, status):
    model = PAIRS[63 + STATUSES.index(status)]
    upstream.script(f"up-{model}", says(status, {"detail": "no"}))
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert (answer.status, answer.headers["x-gateway-deployment"]) == (200, f"{model}-second")


@pytest.mark.parametrize(
    ("status", "code"), [(402, "upstream_account_exhausted"), (401, "upstream_auth_failed")]
)
async def test_without_another_deployment_the_client_gets_a_neutral_message(gateway, upstream, status, code):
    model = ALONE[12 if status == 402 else 13]
    upstream.script(f"up-{model}", says(status, {"error": {"message": "Insufficient Balance of org-77"}}))
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert (answer.status, answer.error["code"]) == (502, code)
    assert "org-77" not in answer.error["message"]
    # In the call's record, not in the log: of so many failures in a few seconds the log has not all.
    [story] = await stories_of(gateway, [answer.headers["x-request-id"]])
    assert "Insufficient Balance of org-77" in story


# B21: too long


@pytest.mark.parametrize("who", TOO_LONG)
async def test_a_prompt_that_is_too_long_is_answered_by_the_wider_model(gateway, upstream, who):
    model = LONGS[list(TOO_LONG).index(who)]
    status, body = TOO_LONG[who]
    upstream.script(f"up-{model}", says(status, body))
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert (answer.status, answer.headers["x-gateway-fallback"]) == (200, "context_window")


@pytest.mark.parametrize("who", [who for who in IN_STREAMS if isinstance(TOO_LONG[who][1], dict)][::4])
async def test_a_long_prompt_refused_by_a_streams_first_event_falls_back_too(gateway, upstream, who):
    model = LONGS[40 + IN_STREAMS.index(who)]
    event = json.dumps(TOO_LONG[who][1])
    event = event if '"error"' in event else json.dumps({"error": TOO_LONG[who][1]})
    upstream.script(f"up-{model}", {"kind": "events", "events": [event]})
    answer = await ask(gateway.url, sample.ALICE, question(model, stream=True))
    assert (answer.status, answer.headers["x-gateway-model"]) == (200, "wide")


# A4, and what a tenant brings upon itself


@pytest.mark.parametrize(
    "poison",
    [
        says(500, "CUDA error"),
        says(503, "", headers={"retry-after": "100"}),
        says(403, "Forbidden"),
        {"kind": "reset_before_head"},
    ],
)
async def test_one_tenants_failing_prompts_block_the_model_for_no_other_tenant(gateway, upstream, poison):
    model = ALONE[27 + ["CUDA error", "", "Forbidden", None].index(poison.get("body"))]
    upstream.script(f"up-{model}", poison)
    for _ in range(6):
        await ask(gateway.url, sample.ALICE, question(model))
    hers = await ask(gateway.url, sample.ALICE, question(model))
    upstream.script(f"up-{model}", {})
    others = await asyncio.gather(*(ask(gateway.url, sample.BOB, question(model)) for _ in range(12)))
    assert hers.status != 200
    assert [answer.status for answer in others] == [200] * 12
