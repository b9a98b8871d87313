"""A provider fails before the first content: the documented error, one ledger row or none, nothing hangs."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.support import sample
from tests.support.books.ledger import row_of, whole_ledger
from tests.support.clients.raw_calls import question

MODEL, UPSTREAM = "m4", "up-m4"
SILENT = sample.FAILING[50:54]
CASES: dict[str, int] = {}


@pytest.fixture
def model(request):
    """Return an alias that no other test has broken: a breaker remembers."""
    return sample.FAILING[:50][CASES.setdefault(request.node.nodeid, len(CASES))]


async def ask(gateway, model=MODEL, **more):
    async with gateway.client(sample.BOB) as client:
        return await client.post("/v1/chat/completions", json=question(model, **more))


def error_of(answer):
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["error"]


def status(number, **more):
    return {"kind": "status", "status": number, **more}


BOTH = pytest.mark.parametrize("stream", [False, True])
FAILURES = {
    "html": ({"kind": "html"}, 502, "upstream_error"),
    "html_200": ({"kind": "html", "status": 200}, 502, "upstream_error"),
    "401": (status(401), 502, "upstream_auth_failed"),
    "403": (status(403), 502, "upstream_auth_failed"),
    "404": (status(404), 502, "upstream_model_not_found"),
    "408": (status(408), 502, "upstream_error"),
    "500": (status(500), 502, "upstream_error"),
    "503": (status(503), 502, "upstream_error"),
    "529": (status(529), 502, "upstream_error"),
    "redirect": (status(302, headers={"location": "http://127.0.0.1:9/"}), 502, "upstream_error"),
    "reset": ({"kind": "reset_before_head"}, 502, "upstream_error"),
    "empty": ({"kind": "empty"}, 502, "upstream_error"),
    "malformed": ({"kind": "malformed"}, 502, "upstream_error"),
    "truncated": ({"kind": "truncated"}, 502, "upstream_error"),
    "an error in a 200": (status(200, body={"error": {"message": "no"}}), 502, "upstream_error"),
}


@BOTH
@pytest.mark.parametrize("how", FAILURES)
async def test_error_does_not_repeat_the_providers_words(shared_gateway, upstream, model, how, stream):
    behavior, expected, code = FAILURES[how]
    upstream.script(f"up-{model}", behavior)
    answer = await ask(shared_gateway, model, stream=stream)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (expected, code)
    assert "Scripted" not in error["message"]
    assert "127.0.0.1" not in answer.text
    attempts = len(upstream.seen(call=answer.headers["x-request-id"]))
    assert answer.headers["x-gateway-attempts"] == str(attempts)
    if how in {"503", "529"}:  # those are asked again
        assert attempts == 3
    else:  # a reset too, if it was of a connection that had been kept
        assert attempts <= (2 if how == "reset" else 1)


async def test_silent_provider_times_out(shared_gateway, upstream):
    """It would send nothing for longer than this test may take. The four wait at the same time."""

    async def one(model, kind, stream):
        upstream.script(f"up-{model}", {"kind": kind})
        answer = await ask(shared_gateway, model, stream=stream)
        assert (answer.status_code, error_of(answer)["code"]) == (504, "upstream_timeout"), (kind, stream)
        [seen] = await upstream.wait("closed", call=answer.headers["x-request-id"])
        assert seen["closed_early"], (kind, stream)

    cases = itertools.product(["hang_before_head", "hang_after_head"], [False, True])
    await asyncio.gather(*(one(model, *case) for model, case in zip(SILENT, cases, strict=True)))


@BOTH
async def test_a_rate_limited_provider_says_when_to_come_back(shared_gateway, upstream, model, stream):
    upstream.script(f"up-{model}", status(429, headers={"retry-after": "17"}))
    answer = await ask(shared_gateway, model, stream=stream)
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["type"]) == (
        429,
        "upstream_rate_limited",
        "rate_limit_error",
    )
    assert answer.headers["retry-after"] == "17"


@BOTH
@pytest.mark.parametrize("number", [400, 413, 422, 451])
async def test_a_providers_own_refusal_passes_through(shared_gateway, upstream, number, stream):
    theirs = {
        "message": "Too hot: 3.5",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "too_hot",
    }
    upstream.script(UPSTREAM, status(number, body={"error": theirs}))
    answer = await ask(shared_gateway, stream=stream)
    assert answer.status_code == number
    assert answer.json() == {"error": theirs}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<html>bad</html>", "page of HTML: bad"),
        ('{"detail": "no such thing"}', "no such thing"),
        ('{"error": "plain"}', "plain"),
        ("", "400"),
    ],
)
async def test_refusals_in_other_shapes_get_the_envelope(shared_gateway, upstream, body, words):
    upstream.script(UPSTREAM, status(400, body=body))
    answer = await ask(shared_gateway)
    assert answer.status_code == 400
    assert words in error_of(answer)["message"]


async def test_unreachable_provider_is_a_502_without_a_row(shared_gateway):
    answers = [await ask(shared_gateway, "dead", stream=stream) for stream in (False, True)]
    for answer in answers:
        assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_error")
    there = {row["id"] for row in await whole_ledger(shared_gateway)}
    assert there.isdisjoint(answer.headers["x-request-id"] for answer in answers)


async def test_a_failure_that_reached_the_provider_is_one_row_that_costs_nothing(shared_gateway, upstream):
    upstream.script(UPSTREAM, status(500))
    answer = await ask(shared_gateway)
    row = await row_of(shared_gateway, answer.headers["x-request-id"])
    assert (row["status"], row["http_status"], row["error_code"]) == ("error", 502, "upstream_error")
    assert row["cost_nanousd"] == 0


async def test_a_json_answer_may_claim_to_be_text(shared_gateway, upstream):
    upstream.script(UPSTREAM, {"kind": "wrong_type"})
    answer = await ask(shared_gateway)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


async def test_the_connection_to_the_client_survives_a_failure(shared_gateway, upstream):
    upstream.script(UPSTREAM, status(500), {"kind": "html"}, {})
    async with shared_gateway.client(sample.BOB) as client:
        answers = [await client.post("/v1/chat/completions", json=question(MODEL)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [502, 502, 200]
