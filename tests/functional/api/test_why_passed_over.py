"""Why each deployment did not answer a refused call; what is wrong with a key; what a provider did."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from tests.support.books.why import OPEN, PAST, PICKY, UPSTREAM, config, is_kept, stories_of
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("why") / "data"
    with Gateway(config(upstream.base_url, closed_port), data_dir) as server:
        yield server


async def test_each_deployments_result_or_skip_reason_is_reported(gateway, upstream):
    """Calls that were refused, each for another reason; one command explains all of them."""
    answers = await failed_at_the_provider(gateway, upstream)
    answers["closed"] = await ask(gateway.url, OPEN, question("why-closed"))
    assert answers["closed"].error["code"] == "upstream_error"
    # one has no key, and the other's provider asked not to be called yet
    upstream.script("up-why-limited", {"kind": "status", "status": 429, "headers": {"retry-after": "600"}})
    first = await ask(gateway.url, OPEN, question("why-limited"))
    answers["limited"] = await ask(gateway.url, OPEN, question("why-limited"))
    assert (first.status, answers["limited"].status) == (429, 429)
    answers["falls"] = falls = await ask(gateway.url, OPEN, question("why-falls"))
    assert (falls.status, falls.error["code"]) == (503, "no_deployment_available")
    assert falls.headers["x-should-retry"] == "false"  # waiting does not help
    assert "SURELY_NOT_SET" not in falls.error["message"]
    answers["half-off"] = await ask(gateway.url, OPEN, question("why-half-off"))

    told = await stories_of(gateway, [answer.id for answer in answers.values()])
    stories = dict(zip(answers, told, strict=True))
    for kind, (answered, _) in UPSTREAM.items():
        assert f"1. why-{kind}-1 (openai-compatible): failed as " in stories[kind]
        assert f"with HTTP {answered['status']}" in stories[kind]
    assert "No deployment could be reached, or each failed." in stories["closed"]
    assert "connect_refused" in stories["closed"]
    assert "limited of why-limited: its provider asked not to be called yet." in stories["limited"]
    assert "no-key of why-limited: model_catalog[" in stories["limited"]
    assert "${SURELY_NOT_SET} is not set." in stories["limited"]
    assert "why-falls-1 of why-falls: " in stories["falls"]  # fallbacks that cannot answer, too
    assert "why-keyless-1 of why-keyless: " in stories["falls"]
    assert "off of why-half-off: it is disabled." in stories["half-off"]
    assert "on of why-half-off: model_catalog[" in stories["half-off"]


async def failed_at_the_provider(gateway, upstream):
    """Make a call for each kind of failure; return the answers by kind."""
    answers = {}
    for kind, (answered, code) in UPSTREAM.items():
        body = {"error": {"message": "No.", **answered.get("error", {})}}
        upstream.script(f"up-why-{kind}", {"kind": "status", "status": answered["status"], "body": body})
        answers[kind] = await ask(gateway.url, OPEN, question(f"why-{kind}"))
        assert answers[kind].error["code"] == code, kind
    return answers


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
            if code != "wrong_model_type":  # which names the call's own endpoint
                assert said.json()["error"]["message"] == called.json()["error"]["message"]
    async with gateway.client(PICKY) as client:  # that one may not use looks like one that is not there
        assert (await client.get("/v1/models/why-keyless")).status_code == 404


KEYS = {
    "": "What it sent cannot be a key",
    "nonsense": "What it sent cannot be a key",
    "sk-why.wrong": "No key has this prefix, or its secret is another.",
    PAST: "The key has expired.",
}


async def test_the_fault_of_a_key_and_the_missing_side_of_a_price_are_reported(gateway):
    answers = [await ask(gateway.url, key, question("why")) for key in KEYS]
    answers.append(await ask(gateway.url, "", question("why"), headers={"authorization": ""}))
    unpriced = [await ask(gateway.url, OPEN, question(model)) for model in ("why-no-output", "why-no-price")]
    told = [answer.error["message"] for answer in unpriced]
    assert ["has a price on one side only: price_output is missing" in each for each in told] == [True, False]
    assert "has no price" in told[1]
    assert "-1" not in "".join(told)  # names of deployments are not for clients

    *stories, no_output, no_price = await stories_of(gateway, [each.id for each in (*answers, *unpriced)])
    for story, words in zip(stories, (*KEYS.values(), "It had no key."), strict=True):
        assert words in story
    assert "output" in no_output.partition("why-no-output-1 of why-no-output: ")[2].partition("\n")[0]
    assert "price" in no_price.partition("why-no-price-1 of why-no-price: ")[2].partition("\n")[0]


async def test_back_office_list_shows_the_reason_in_short(gateway):
    answer = await ask(gateway.url, OPEN, question("why-keyless"))
    await is_kept(gateway, answer.id)
    script = (
        "from metering.models import LoggedRequest; from metering.explain.refusal_story import in_short; "
        f"print(in_short(LoggedRequest.objects.get(pk='{answer.id}')))"
    )
    said = await asyncio.to_thread(gateway.manage, "shell", "--verbosity", "0", "-c", script)
    assert said[0].startswith("why-keyless-1 of why-keyless: ")


async def test_too_many_guessed_keys_are_reported(gateway):
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
