"""manage.py explain: the story of a call, found by its X-Request-ID."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.support import sample
from tests.support.books.ledger import committed
from tests.support.books.money import settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.commands import run_each
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

KEY = "sk-teller.teller-secret"
CLAMPED = "sk-thrifty.thrifty-secret"
TRIED = {"by": "user", "arms": {"told-m": 50, "told-n": 50}}


def config(endpoint, closed_port):
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row("told", "up-told-a", endpoint, deployment="told-a"),
            sample.row("told", "up-told-b", endpoint, deployment="told-b", priority=1, price_output=6.0),
            sample.row("told", "up-told-c", endpoint, deployment="told-c", priority=2),
            sample.row("told", "up-told-d", endpoint, deployment="told-d", api_key="${SURELY_NOT_SET}"),
            sample.row("waits", "up-told-waits", endpoint, timeouts={"first_byte": "30s"}),
            sample.row("cut", "up-told-cut", endpoint),
            sample.row("mild", "up-told-mild", endpoint, deployment="mild-1"),
            sample.row("strict", "up-told-strict", endpoint, fallbacks={"content_filter": ["mild"]}),
            sample.row(
                "small", "up-told-small", endpoint, context_window=50, fallbacks={"context_window": ["mild"]}
            ),
            sample.row("arms", "up-told-m", endpoint, deployment="told-m", experiment=TRIED),
            sample.row("arms", "up-told-n", endpoint, deployment="told-n"),
            sample.row("arms", "up-told-o", endpoint, deployment="told-o", shadow_percent=100),
            sample.row("dead", "up-told-dead", f"http://127.0.0.1:{closed_port}/v1"),
        ],
        "budgets": {"default_usd": 1000, "on_insufficient": "clamp"},
        "bootstrap": {
            "tenants": [{"name": "tellers"}],
            "api_keys": [
                sample.key(
                    "tellers",
                    KEY,
                    budget_usd=5,
                    rate_limit={"requests_per_minute": 60, "parallel_requests": 4},
                ),
                sample.key("tellers", CLAMPED, budget_usd=0.0005),
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    with Gateway(config(upstream.base_url, closed_port), tmp_path_factory.mktemp("told") / "data") as server:
        yield server


async def test_explain_names_caller_route_and_cost(gateway, upstream):
    upstream.script("up-told-a", {"kind": "status", "status": 503})
    upstream.script("up-told-b", {"prompt_tokens": 12, "chunks": 7})
    answer = await ask(gateway.url, KEY, question("told", stream=True))
    await settled(gateway)
    lines = gateway.manage("explain", answer.id)
    told = "\n".join(lines)
    assert lines[0] == f"Call {answer.id}"
    assert "  Key teller of tenant tellers." in lines
    assert "The model told at chat.completions, as a stream, on " in told
    assert "  By strategy weighted: told-a first, then told-b, then told-c." in lines
    assert "  Not to told-d: " in told
    assert "The key may make 4 at a time and 60 requests a minute." in told
    assert "Of 60 requests a minute 59 were left after this one." in told
    assert "The tightest budget was the monthly budget of the key: 5.00 USD, of which 0.00 were spent" in told
    assert (
        "  1. told-a (openai-compatible): failed as upstream_error (server_error) with HTTP 503 after "
        in told
    )
    assert "  2. told-b (openai-compatible) answered with HTTP 200 after " in told
    assert "  Not tried: told-c." in lines
    assert "  12 input tokens at 0.000001 USD each: 0.000012 USD (price row " in told
    assert "  7 output tokens at 0.000006 USD each: 0.000042 USD (price row " in told
    assert "  Together 0.000054 USD." in lines
    assert "  It ended well, with HTTP 200, " in told


async def test_a_running_call_is_explained_up_to_its_current_state(gateway, upstream):
    upstream.script("up-told-waits", {"hold_before_head": True})
    asked = asyncio.create_task(ask(gateway.url, KEY, question("waits")))
    [seen] = await upstream.wait("arrived", model="up-told-waits")
    told = "\n".join(await asyncio.to_thread(gateway.manage, "explain", seen["id"]))
    upstream.release(model="up-told-waits")
    await asked
    assert "The model waits at chat.completions, as one answer" in told
    assert "It has not ended" in told


async def test_explain_covers_calls_without_attempts_and_unknown_calls(gateway):
    answer = await ask(gateway.url, KEY, question("dead"))
    assert answer.status == 502
    refused = await ask(gateway.url, KEY, question("nobody"))
    logged = "SELECT id FROM metering_loggedrequest WHERE id = ?"
    for each in (answer, refused):
        await eventually(partial(asyncio.to_thread, gateway.sql, logged, each.id))
    calls = (answer.id, refused.id, "never-heard-of")
    done = await asyncio.to_thread(run_each, gateway, *(["explain", call] for call in calls))
    assert [code for code, _ in done] == [0, 0, 1]
    told, of_refused, nothing = [lines for _, lines in done]
    assert "  It never reached a provider, so it cost nothing and is not in the ledger." in told
    assert any("'nobody'" in line for line in of_refused), of_refused
    assert nothing == []
    assert await asyncio.to_thread(gateway.manage, "explain", "never-heard-of", code=1) == []


async def told_of(gateway, *answers):
    """Return the explanation of each call, as lines."""
    await settled(gateway)
    done = await asyncio.to_thread(run_each, gateway, *(["explain", answer.id] for answer in answers))
    assert {code for code, _ in done} == {0}
    return [lines for _, lines in done]


async def test_explain_covers_fallbacks_broken_streams_and_lowered_caps(gateway, upstream):
    filtered = {"error": {"message": "no", "code": "content_filter"}}
    upstream.script("up-told-strict", {"kind": "status", "status": 400, "body": filtered})
    long = {"messages": [{"role": "user", "content": "one two three " * 100}]}
    refused = await ask(gateway.url, KEY, question("strict"))
    too_long = await ask(gateway.url, KEY, question("small") | long)
    clamped = await ask(gateway.url, CLAMPED, question("cut", max_tokens=1000))
    upstream.script("up-told-cut", {"end": "cut", "after": 3})
    broken = await ask(gateway.url, KEY, question("cut", stream=True))
    assert not broken.saw_the_end
    told = await told_of(gateway, refused, too_long, broken, clamped)
    it_says_that_a_filter_refused_the_prompt(told[0])
    it_says_that_the_prompt_was_too_long(told[1])
    it_tells_a_stream_to_its_end(told[2])
    it_says_what_was_clamped_and_why(told[3], clamped.headers["x-gateway-clamped-max-tokens"])


def it_says_that_a_filter_refused_the_prompt(lines):
    assert "  Had it been refused for content filter: to mild-1 of mild." in lines
    assert any(
        line.startswith("  1. strict-1 (openai-compatible): refused the call (flagged) with HTTP 400")
        for line in lines
    )
    assert any(
        line.startswith("  2. mild-1 of mild (openai-compatible) answered with HTTP 200") for line in lines
    )
    assert "  So the model mild answered, because the provider's filter refused its prompt." in lines


def it_says_that_the_prompt_was_too_long(lines):
    assert "  To another model, because its prompt was too long for small: mild-1 of mild." in lines
    assert "  Not to small-1: reads at most 50 tokens." in lines
    assert "  So the model mild answered, because its prompt was too long for small." in lines


def it_tells_a_stream_to_its_end(lines):
    assert any(
        line.startswith("  1. cut-1 (openai-compatible) answered with HTTP 200 after ") for line in lines
    )
    assert any(line.startswith("  3 output tokens at 0.000002 USD each") for line in lines)
    assert "  The provider did not say what was used; the gateway counted it." in lines
    assert any(line.startswith("  It broke off before its end (upstream_error), ") for line in lines)
    assert lines[-1].startswith(
        "  A part of the answer had left by then, so no other provider could be asked"
    )


def it_says_what_was_clamped_and_why(lines, cap):
    assert f"  Its output was cut to {cap} tokens: more did not fit into the budget." in lines
    assert any("for its prompt at a token a byte" in line for line in lines)  # its tokenizer is unknown


def mirrored(gateway):
    return [row["id"] for row in committed(gateway) if row["deployment"] == "told-o"]


async def test_explain_names_the_arm_and_the_mirror_of_a_call(gateway, upstream):
    answer = await ask(gateway.url, KEY, question("arms", user="u1"))
    arm = answer.headers["x-gateway-deployment"]
    await upstream.wait("ended", model="up-told-o")
    found = await eventually(lambda: asyncio.to_thread(mirrored, gateway))
    await settled(gateway)
    done = await asyncio.to_thread(run_each, gateway, ["explain", answer.id], ["explain", found[0]])
    (_, own), (_, mirror) = done
    assert f"  Its caller is in the arm {arm} of the model's experiment." in own
    said = f"  The operator: it is call {answer.id} once more, for a deployment on trial. Its answer was not used."
    assert said in mirror
