"""K3: the bytes that a stream produces are counted, not its events; a stream above its cap is cut off."""

from __future__ import annotations

import base64
import json

import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.books.money import NANO, limit_status, nanousd
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway

pytestmark = pytest.mark.both_modes

KEY = "sk-grow.grow-secret"


def event(delta):
    choices = [{"index": 0, "delta": delta, "finish_reason": None}]
    return json.dumps({"id": "c", "object": "chat.completion.chunk", "model": "x", "choices": choices})


def tool(arguments):
    return {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": arguments}}]}


LONG = " word" * 226
ODD = {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": LONG}]}]}
SOUND = {"audio": {"id": "a", "data": base64.b64encode(bytes(200_000)).decode()}}


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    config = {
        **sample.NO_LIMITS,
        "model_catalog": [sample.row("overgrown", "up-overgrown", upstream.base_url, max_output_tokens=100)],
        "bootstrap": {
            "tenants": [{"name": "grow"}],
            "api_keys": [sample.key("grow", KEY)],
            "tenant_budgets": [{"tenant": "grow", "budget_usd": 20_000_000 / NANO}],
        },
    }
    with Gateway(config, tmp_path_factory.mktemp("overgrown") / "data") as server:
        yield server


@pytest.mark.parametrize(
    "delta",
    [
        {"content": LONG},  # M2: 226 tokens an event
        tool(LONG),
        {"reasoning_content": LONG},
        {"reasoning": LONG},
        {"refusal": LONG},
        {"audio": {"transcript": LONG}},
        SOUND,
        ODD,
    ],
    ids=["text", "tools", "reasoning_content", "reasoning", "refusal", "transcript", "sound", "odd"],
)
async def test_a_stream_that_surely_passed_its_cap_is_cut_and_charged_up_to_it(gateway, upstream, delta):
    upstream.script(
        "up-overgrown", {"kind": "events", "events": [event({"content": "a"}), *[event(delta)] * 40]}
    )
    before = await limit_status(gateway, KEY)
    answer = await ask(gateway.url, KEY, question("overgrown", stream=True))
    assert b'"output_cap_exceeded"' in answer.body
    assert b"[DONE]" not in answer.body
    row = await row_of(gateway, answer.id)
    assert row["status"] == "incomplete"
    spent = (await limit_status(gateway, KEY))["spent"] - before["spent"]
    assert row["cost_nanousd"] == spent <= 60 * 1_000 + 100 * 2_000


async def test_a_stream_within_its_cap_is_left_alone_however_it_is_cut_into_events(gateway, upstream):
    for chunks, size in ((100, 1), (1, 100), (4, 25)):
        upstream.script("up-overgrown", {"chunks": chunks, "tokens_per_chunk": size})
        answer = await ask(gateway.url, KEY, question("overgrown", stream=True))
        assert answer.body.endswith(b"data: [DONE]\n\n")
    blanks = event({"content": " " * 1_000})  # 8 tokens in o200k
    done = event({}).replace("null", '"stop"')
    upstream.script("up-overgrown", {"kind": "events", "events": [blanks, done, "[DONE]"]})
    answer = await ask(gateway.url, KEY, question("overgrown", stream=True))
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_zero_usage_of_a_non_empty_answer_counts_as_missing(gateway, upstream):
    """M8, as one JSON answer; and its kind: one side that is zero."""
    for usage in (
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10},
        {"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5},
        {},
    ):
        message = {"role": "assistant", "content": " word" * 5}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        body = {"id": "c", "object": "chat.completion", "model": "x", "choices": choices, "usage": usage}
        upstream.script("up-overgrown", {"kind": "status", "status": 200, "body": body})
        answer = await ask(gateway.url, KEY, question("overgrown"))
        assert nanousd(answer.headers["x-gateway-cost-usd"]) >= 8 * 1_000 + 5 * 2_000, usage
