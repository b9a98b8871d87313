"""Each attempt that reached a provider is in the row with its own outcome, usage and cost, also before a success. The
call costs all of them together, each at the price of its own deployment. One that was not read, or refused, is free.
"""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.books.money import limit_status, query
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway, merged

pytestmark = pytest.mark.both_modes

PAYER = "sk-payer.payer-secret"
POOR = "sk-poor.poor-secret"
DEAR, CHEAP = 7_000, 1_000  # nano-USD an input token: of the first deployment, of the second
IMPATIENT = {"connect": "2s", "first_byte": "300ms", "idle": "300ms", "total": "30s"}
USED = {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35}
ABSURD = {"prompt_tokens": 3_000, "completion_tokens": 500, "total_tokens": 3_500}


def chunk(**members):
    return json.dumps({"id": "x", "object": "chat.completion.chunk", "model": "m", **members})


UNKNOWN = {  # the prompt, estimated
    "silence": ({"kind": "hang_before_head"}, False),
    "silence, a stream": ({"kind": "hang_before_head"}, True),
    "silence after the head": ({"kind": "hang_after_head"}, True),
    "reset": ({"kind": "reset_before_head"}, False),
    "truncated": ({"kind": "truncated"}, False),
    "no JSON": ({"kind": "malformed"}, False),
    "empty": ({"kind": "empty"}, False),
    "broken before its content": ({"end": "drop", "after": 0}, True),
    "an error before its content": ({"end": "error", "after": 0}, True),
    "usage before its content": ({"kind": "events", "events": [chunk(choices=[], usage=USED)]}, True),
}
SAID = {  # exactly what it said
    "no choices": ({"kind": "status", "status": 200, "body": {"id": "x", "usage": USED}}, False),
    "an error with usage": (
        {"kind": "status", "status": 200, "body": {"error": {"message": "no"}, "choices": [], "usage": USED}},
        False,
    ),
    "choices of another shape": (
        {"kind": "status", "status": 200, "body": {"choices": "none", "usage": USED}},
        False,
    ),
    "usage, then an error": (
        {
            "kind": "events",
            "events": [chunk(choices=[], usage=USED), json.dumps({"error": {"message": "no"}})],
        },
        True,
    ),
    "an error of HTTP with usage": (
        {"kind": "status", "status": 500, "body": {"error": {"message": "no"}, "usage": USED}},
        False,
    ),
}
NOTHING = {
    "503": ({"kind": "status", "status": 503}, False),
    "429": ({"kind": "status", "status": 429}, True),
    "401": ({"kind": "status", "status": 401}, False),
    "500": ({"kind": "status", "status": 500}, False),
}
EVERY = {**UNKNOWN, **SAID, **NOTHING}


def config(upstream, closed_port):
    rows = []
    for number in range(len(EVERY) + 2):
        rows += [
            sample.row(
                f"t{number}",
                f"up-t{number}-a",
                upstream.base_url,
                deployment=f"t{number}-a",
                price_input=DEAR / 1000,
                timeouts=IMPATIENT,
            ),
            sample.row(
                f"t{number}", f"up-t{number}-b", upstream.base_url, deployment=f"t{number}-b", priority=1
            ),
        ]
    rows += [
        sample.row("kept", "up-kept", upstream.base_url),
        sample.row("half", "up-half-a", f"http://127.0.0.1:{closed_port}/v1", deployment="dead"),
        sample.row("half", "up-half-b", upstream.base_url, deployment="alive", priority=1),
    ]
    people = {
        "tenants": [{"name": "payer"}],
        "api_keys": [sample.key("payer", PAYER), sample.key("payer", POOR, budget_usd=0.0023)],
    }
    return merged(sample.NO_LIMITS, {"model_catalog": rows, "bootstrap": people})


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    with Gateway(config(upstream, closed_port), tmp_path_factory.mktemp("tries") / "data") as server:
        yield server


def tries_of(gateway, call):
    [[decision, receipt]] = query(
        gateway, "SELECT decision, receipt FROM metering_usageevent WHERE id = ?", call
    )
    return [entry for entry in json.loads(decision) if "outcome" in entry], json.loads(receipt)


async def try_it(gateway, upstream, kind, key=PAYER):
    number = list(EVERY).index(kind)
    behavior, stream = EVERY[kind]
    upstream.script(f"up-t{number}-a", behavior)
    answer = await ask(gateway.url, key, question(f"t{number}", stream=stream, max_tokens=20))
    assert answer.saw_the_end, answer.body
    row = await row_of(gateway, answer.id)
    tries, receipt = tries_of(gateway, answer.id)
    assert [each["deployment"] for each in tries] == [f"t{number}-a", f"t{number}-b"]
    own = 10 * CHEAP + 5 * sample.OUTPUT_NANOUSD
    assert (tries[1]["outcome"], tries[1]["cost_nanousd"]) == ("ok", own)
    assert sum(float(line["amount_nanousd"]) for line in receipt) == row["cost_nanousd"]
    assert (row["attempts"], row["output_tokens"]) == (2, 5)
    return row, tries[0], row["cost_nanousd"] - own


@pytest.mark.parametrize("kind", UNKNOWN)
async def test_an_attempt_with_unknown_outcome_costs_its_prompt(gateway, upstream, kind):
    row, first, beside = await try_it(gateway, upstream, kind)
    assert first["usage"]["estimated"]
    assert first["usage"]["input_tokens"] > 0
    assert first["cost_nanousd"] == beside == first["usage"]["input_tokens"] * DEAR
    assert row["estimated"]


@pytest.mark.parametrize("kind", SAID)
async def test_unusable_answer_costs_the_usage_it_reported(gateway, upstream, kind):
    row, first, beside = await try_it(gateway, upstream, kind)
    assert first["usage"]["input_tokens"] == USED["prompt_tokens"]
    assert first["cost_nanousd"] == beside == 30 * DEAR + 5 * sample.OUTPUT_NANOUSD
    assert not row["estimated"]


@pytest.mark.parametrize("kind", NOTHING)
async def test_refused_attempt_costs_nothing(gateway, upstream, kind):
    row, first, beside = await try_it(gateway, upstream, kind)
    assert (first.get("cost_nanousd", 0), beside, row["estimated"]) == (0, 0, False)


async def test_an_attempt_that_reached_no_provider_costs_nothing(gateway):
    answer = await ask(gateway.url, PAYER, question("half"))
    row = await row_of(gateway, answer.id)
    assert (row["attempts"], row["cost_nanousd"]) == (2, 10 * CHEAP + 5 * sample.OUTPUT_NANOUSD)


async def test_request_lost_on_a_kept_connection_is_an_attempt_in_the_row(gateway, upstream):
    good, reset = {"kind": "ok"}, {"kind": "reset_before_head"}
    upstream.script("up-kept", *[good, reset] * 5, good)
    answers = [await ask(gateway.url, PAYER, question("kept")) for _ in range(6)]
    rows = [await row_of(gateway, answer.id) for answer in answers]
    seen = [upstream.seen(call=answer.id) for answer in answers]
    assert [row["attempts"] for row in rows] == [len(calls) for calls in seen]
    own = 10 * CHEAP + 5 * sample.OUTPUT_NANOUSD
    assert max(map(len, seen)) == 2
    for row, calls in zip(rows, seen, strict=True):
        if (
            row["status"] == "ok"
        ):  # several workers have a connection each: a first question has no second try
            assert (row["cost_nanousd"] > own) == (len(calls) > 1)


async def test_all_attempts_together_are_charged_up_to_the_hold(gateway, upstream):
    number = len(EVERY) + 1
    upstream.script(f"up-t{number}-a", {"kind": "status", "body": {"id": "x", "usage": ABSURD}})
    answer = await ask(gateway.url, POOR, question(f"t{number}", max_tokens=20))
    assert answer.status == 200
    row = await row_of(gateway, answer.id)
    now = await limit_status(gateway, POOR)
    assert 0 < row["cost_nanousd"] <= now["limit"]
    assert now["spent"] <= now["limit"]


async def test_a_call_without_an_answer_costs_what_its_providers_reported(gateway, upstream):
    number = len(EVERY)
    for place in "ab":
        upstream.script(f"up-t{number}-{place}", SAID["no choices"][0])
    answer = await ask(gateway.url, PAYER, question(f"t{number}"))
    assert answer.status == 502
    row = await row_of(gateway, answer.id)
    assert row["cost_nanousd"] == 30 * (DEAR + CHEAP) + 2 * 5 * sample.OUTPUT_NANOUSD
    assert (row["status"], row["attempts"]) == ("error", 2)
