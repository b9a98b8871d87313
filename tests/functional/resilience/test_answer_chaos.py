"""Every fault of a provider in an answer that is not a stream: the official client gets all of it or an error."""

from __future__ import annotations

import asyncio

import openai
import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged

TIMEOUTS = {"connect": "2s", "first_byte": "1500ms", "idle": "800ms", "total": "20s"}
CUT = '{"id": "x", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "wo'


def says(body):
    return {"kind": "status", "status": 200, "body": body}


BROKEN = {
    "cut by its connection": ({"kind": "truncated"}, "upstream_error"),
    "cut, and its length is true": (says(CUT), "upstream_error"),
    "nothing at all": ({"kind": "empty"}, "upstream_error"),
    "no JSON": ({"kind": "malformed"}, "upstream_error"),
    "a page of HTML that says 200": (says("<html><body>no</body></html>"), "upstream_error"),
    "a list": (says("[1, 2]"), "upstream_error"),
    "a text": (says('"hello"'), "upstream_error"),
    "an object without choices": (says("{}"), "upstream_error"),
    "an error that says 200": (says({"error": {"message": "no"}}), "upstream_error"),
    "two documents": (says('{"choices": []}{"choices": []}'), "upstream_error"),
    "a reset before the head": ({"kind": "reset_before_head"}, "upstream_error"),
    "silence before the head": ({"kind": "hang_before_head"}, "upstream_timeout"),
    "silence after the head": ({"kind": "hang_after_head"}, "upstream_timeout"),
}
ALIASES = {name: f"answer-{number}" for number, name in enumerate(BROKEN)}


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    rows = [
        sample.row(alias, f"up-{alias}", upstream.base_url, timeouts=TIMEOUTS) for alias in ALIASES.values()
    ]
    config = merged(sample.config(upstream.base_url, closed_port), {"model_catalog": rows})
    with Gateway(config, tmp_path_factory.mktemp("answers") / "data") as server:
        yield server


@pytest.fixture(params=BROKEN)
def broken(request, upstream):
    alias = ALIASES[request.param]
    behavior, code = BROKEN[request.param]
    upstream.script(f"up-{alias}", behavior)
    return alias, code


def refused(client, alias):
    with pytest.raises(openai.APIStatusError) as error:
        client.chat.completions.create(**question(alias))
    return error.value


async def test_the_official_client_raises_and_the_prompt_is_billed_and_the_rest_unsettled(gateway, broken):
    alias, code = broken
    with gateway.openai_sync(sample.ALICE) as client:
        error = await asyncio.to_thread(refused, client, alias)
    assert (error.code, error.status_code) == (code, 504 if code == "upstream_timeout" else 502)
    assert not error.response.headers.get("x-gateway-cost-usd")
    row = await row_of(gateway, error.response.headers["x-request-id"])
    assert (row["status"], row["error_code"]) == ("error", code)
    if (
        row["attempts"] == 1
    ):  # a kept connection that broke is asked once more, and may be billed for its first
        assert row["cost_nanousd"] == row["input_tokens"] * sample.INPUT_NANOUSD
    assert row["cost_nanousd"] > 0
    assert row["unsettled_nanousd"] > 0
