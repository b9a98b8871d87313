"""Who could have answered a refused call, and why each did not; what is wrong with a key; what a provider did."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from tests.raw_calls import ask, question
from tests.servers import Gateway
from tests.waiting import eventually
from tests.why import OPEN, PAST, PICKY, UPSTREAM, config, stories_of

pytestmark = pytest.mark.both_modes


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("why") / "data"
    with Gateway(config(upstream.base_url, closed_port), data_dir) as server:
        yield server


@pytest.mark.parametrize("kind", UPSTREAM)
async def test_what_a_provider_did_is_told(gateway, upstream, kind):
    answered, code = UPSTREAM[kind]
    body = {"error": {"message": "No.", **answered.get("error", {})}}
    upstream.script(f"up-why-{kind}", {"kind": "status", "status": answered["status"], "body": body})
    answer = await ask(gateway.url, OPEN, question(f"why-{kind}"))
    assert answer.error["code"] == code
    [story] = await stories_of(gateway, [answer.id])
    assert f"1. why-{kind}-1 (openai-compatible): failed as " in story
    assert f"with HTTP {answered['status']}" in story


async def test_a_refused_connection_is_told(gateway):
    answer = await ask(gateway.url, OPEN, question("why-closed"))
    assert answer.error["code"] == "upstream_error"
    [story] = await stories_of(gateway, [answer.id])
    assert "No deployment could be reached, or each failed." in story
    assert "connect_refused" in story


async def test_each_deployment_of_a_refused_call_has_its_own_reason(gateway, upstream):
    """One has no key, and the other's provider asked not to be called yet."""
    upstream.script("up-why-limited", {"kind": "status", "status": 429, "headers": {"retry-after": "600"}})
    first = await ask(gateway.url, OPEN, question("why-limited"))
    second = await ask(gateway.url, OPEN, question("why-limited"))
    assert (first.status, second.status) == (429, 429)
    story = (await stories_of(gateway, [second.id]))[0]
    assert "limited of why-limited: its provider asked not to be called yet." in story
    assert "no-key of why-limited: model_catalog[" in story
    assert "${SURELY_NOT_SET} is not set." in story


async def test_fallbacks_that_cannot_answer_are_told_too(gateway):
    answer = await ask(gateway.url, OPEN, question("why-falls"))
    assert (answer.status, answer.error["code"]) == (503, "no_deployment_available")
    assert answer.headers["x-should-retry"] == "false"  # waiting does not help
    assert "SURELY_NOT_SET" not in answer.error["message"]
    [story] = await stories_of(gateway, [answer.id])
    assert "why-falls-1 of why-falls: " in story
    assert "why-keyless-1 of why-keyless: " in story


async def test_a_deployment_that_is_switched_off_is_told(gateway):
    answer = await ask(gateway.url, OPEN, question("why-half-off"))
    [story] = await stories_of(gateway, [answer.id])
    assert "off of why-half-off: it is disabled." in story
    assert "on of why-half-off: model_catalog[" in story


CANNOT = {  # and what GET /v1/models/{id} says, as a call does
    "why-keyless": (503, "no_deployment_available"),
    "why-falls": (503, "no_deployment_available"),
    "why-half-off": (503, "no_deployment_available"),
    "why-no-price": (403, "model_unpriced"),
    "why-no-output": (403, "model_unpriced"),
    "why-picture": (400, "wrong_model_type"),
    "why-off": (404, "model_not_found"),
}


async def test_models_that_cannot_answer_are_not_listed_and_say_why(gateway, upstream):
    """A rest after failures is no reason: it passes."""
    upstream.script("up-why-limited", {"kind": "status", "status": 429, "headers": {"retry-after": "600"}})
    await ask(gateway.url, OPEN, question("why-limited"))
    async with gateway.client(OPEN) as client:
        listed = {model["id"] for model in (await client.get("/v1/models")).json()["data"]}
        assert {"why", "why-embeds", "why-limited", "why-closed"} <= listed
        assert listed.isdisjoint(CANNOT)
        for model, (status, code) in CANNOT.items():
            said = await client.get(f"/v1/models/{model}")
            called = await client.post("/v1/chat/completions", json=question(model))
            assert (said.status_code, said.json()["error"]["code"]) == (status, code)
            assert (called.status_code, called.json()["error"]["code"]) == (status, code)
            if code != "wrong_model_type":  # which a call is told of its own endpoint
                assert said.json()["error"]["message"] == called.json()["error"]["message"]
    async with gateway.client(PICKY) as client:  # that one may not use looks like one that is not there
        assert (await client.get("/v1/models/why-keyless")).status_code == 404


KEYS = {
    "": "What it sent cannot be a key",
    "nonsense": "What it sent cannot be a key",
    "sk-why.wrong": "No key has this prefix, or its secret is another.",
    PAST: "The key has expired.",
}


async def test_what_is_wrong_with_a_key_is_told(gateway):
    answers = [await ask(gateway.url, key, question("why")) for key in KEYS]
    without = await ask(gateway.url, "", question("why"), headers={"authorization": ""})
    stories = await stories_of(gateway, [each.id for each in (*answers, without)])
    for story, words in zip(stories, (*KEYS.values(), "It came without a key."), strict=True):
        assert words in story


async def test_a_price_that_lacks_a_side_is_named(gateway):
    answers = [await ask(gateway.url, OPEN, question(model)) for model in ("why-no-output", "why-no-price")]
    told = [answer.error["message"] for answer in answers]
    assert ["has a price on one side only: price_output is missing" in each for each in told] == [True, False]
    assert "has no price" in told[1]
    assert "-1" not in "".join(told)  # names of deployments are not for clients
    stories = await stories_of(gateway, [answer.id for answer in answers])
    assert "output" in stories[0].partition("why-no-output-1 of why-no-output: ")[2].partition("\n")[0]
    assert "price" in stories[1].partition("why-no-price-1 of why-no-price: ")[2].partition("\n")[0]


async def test_the_list_of_the_back_office_says_it_in_short(gateway):
    answer = await ask(gateway.url, OPEN, question("why-keyless"))
    await stories_of(gateway, [answer.id])
    script = (
        "from metering.models import LoggedRequest; from metering.refusal_story import in_short; "
        f"print(in_short(LoggedRequest.objects.get(pk='{answer.id}')))"
    )
    said = await asyncio.to_thread(gateway.manage, "shell", "--verbosity", "0", "-c", script)
    assert said[0].startswith("why-keyless-1 of why-keyless: ")


async def test_a_guessed_key_too_many_is_told(gateway):
    """The last one: the address of these tests has guessed too much then."""

    async def guessed():
        guesses = [f"sk-guess{next(number)}.secret" for _ in range(60)]
        answers = await asyncio.gather(*(ask(gateway.url, guess, question("why")) for guess in guesses))
        return max(
            answers, key=lambda answer: answer.status
        )  # the first of them: later ones are only counted

    number = count()

    refused = await eventually(guessed, lambda answer: answer.status == 429)
    assert refused.error["code"] == "too_many_unknown_keys"
    [story] = await stories_of(gateway, [refused.id])
    assert "so many unknown keys came from its address" in story
