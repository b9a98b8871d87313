"""The client gets the reason of a failure that it caused; the operator gets every reason; no key is shown."""

from __future__ import annotations

import json

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import ask, question
from tests.support.provider.errors import TOO_LARGE
from tests.support.provider.faulty import ALONE, KEY, lines_of, metrics_of, says, serving, tries_of


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    with serving(upstream, closed_port, tmp_path_factory.mktemp("reasons") / "data") as server:
        yield server


# C26, C34, C35, C36: reasons


async def test_a_request_larger_than_a_minutes_limit_explains_why(gateway, upstream):
    model = ALONE[14]
    upstream.script(
        f"up-{model}", says(429, {"error": {"message": TOO_LARGE, "code": "rate_limit_exceeded"}})
    )
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert (answer.status, answer.error["message"]) == (413, TOO_LARGE)


async def test_all_clients_get_the_same_retry_after(gateway, upstream):
    model = ALONE[15]
    upstream.script(f"up-{model}", says(429, "", headers={"retry-after": "561635"}))
    first = await ask(gateway.url, sample.ALICE, question(model))
    second = await ask(gateway.url, sample.BOB, question(model))
    waits = [int(answer.headers["retry-after"]) for answer in (first, second)]
    assert all(100 <= wait <= 133 for wait in waits)
    assert [first.status, second.status] == [429, 429]


REASONS = {
    "a server's words": (says(500, "CUDA out of memory zzz3"), "server_error", "CUDA out of memory zzz3"),
    "a list": (says(503, [{"error": {"message": "no GPU left"}}]), "server_error", "no GPU left"),
    "a missing model": (says(404, {"detail": "no model zzz4"}), "model_not_found", "no model zzz4"),
    "a redirect": (
        says(301, "", headers={"location": "https://login.example.com/x?key=1"}),
        "redirect",
        "login.example.com",
    ),
    "a page": ({"kind": "html", "status": 502}, "server_error", "status 502"),
    "not an answer": ({"kind": "malformed"}, "malformed", "JSON"),
    "a reset": ({"kind": "reset_before_head"}, "reset", "closed"),
    "its key": (says(500, f"bad header Bearer {KEY}"), "server_error", "bad header Bearer ***"),
}


@pytest.mark.parametrize("what", REASONS)
async def test_operator_can_read_why_an_attempt_failed(gateway, upstream, what):
    model = ALONE[16 + list(REASONS).index(what)]
    behavior, kind, words = REASONS[what]
    upstream.script(f"up-{model}", behavior)
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert answer.status == 502
    assert words not in json.dumps(answer.error)
    line = (await lines_of(gateway, answer.headers["x-request-id"]))[0]
    assert line["level"] == "warning"
    assert (line["deployment"], line["kind"], words in line["reason"]) == (f"{model}-1", kind, True)
    assert KEY not in json.dumps(gateway.records())
    tries = await tries_of(gateway, answer)
    assert (tries[0]["kind"], words in tries[0]["reason"]) == (kind, True)
    assert (await metrics_of(gateway, f"{model}-1"))[kind] >= 1


UNREACHED = {"refused": "connect_refused", "nameless": "dns", "plain": "tls"}


@pytest.mark.parametrize("model", UNREACHED)
async def test_an_attempt_that_never_connected_is_counted_and_reported(gateway, model):
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert answer.status == 502
    lines = await lines_of(gateway, answer.headers["x-request-id"])
    assert {line["kind"] for line in lines} == {UNREACHED[model]}
    assert (await metrics_of(gateway, f"{model}-1"))[UNREACHED[model]] >= len(lines)


async def test_timeout_reason_names_the_timeout(gateway, upstream):
    upstream.script("up-silent", {"kind": "hang_before_head"})
    answer = await ask(gateway.url, sample.ALICE, question("silent"))
    assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
    assert (await metrics_of(gateway, "silent-1"))["timeout_first_byte"] >= 1


async def test_an_error_in_the_middle_of_a_stream_is_reported(gateway, upstream):
    model = ALONE[25]
    upstream.script(f"up-{model}", {"end": "error", "after": 2})
    answer = await ask(gateway.url, sample.ALICE, question(model, stream=True))
    [line] = await lines_of(gateway, answer.headers["x-request-id"])
    assert "The model fell over." in line["reason"]
    tries = await tries_of(gateway, answer)
    assert "The model fell over." in tries[-1]["reason"]


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"Incorrect header Authorization: Bearer {KEY}", "param": KEY}},
        {"error": {"message": f"echo {KEY[:20]}", "code": KEY}},
        f"curl -H 'api-key: {KEY}'",
        f"<html><pre>{KEY}</pre></html>",
        [{"error": {"message": KEY, "status": "INVALID_ARGUMENT"}}],
    ],
)
async def test_the_providers_key_does_not_come_back_in_an_echo(gateway, upstream, body):
    model = ALONE[26]
    upstream.script(f"up-{model}", says(422, body))
    answer = await ask(gateway.url, sample.ALICE, question(model))
    assert answer.status == 422
    assert KEY[:16] not in json.dumps(answer.error)
    assert "***" in answer.error["message"]
