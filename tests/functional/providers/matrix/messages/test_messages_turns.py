"""Clients of Messages over several turns: thinking goes back to who made it, marked prompts are read from the cache."""

from __future__ import annotations

import pytest

from tests.functional.providers.matrix.asked import LONG
from tests.functional.providers.matrix.messages.messages_calls import TOOLS, ask, body, call, results, user
from tests.functional.providers.matrix.rows import ROWS

THINKERS = [up for up in ROWS if up.thinks]
OTHERS = [up for up in ROWS if not up.thinks]
every_row = pytest.mark.parametrize("up", ROWS, ids=lambda up: up.alias)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def thinking(up):
    """Return members that ask for thinking that can be read."""
    if up.alias == "anthropic":
        return {"thinking": {"type": "adaptive", "display": "summarized"}}
    return {"thinking": {"type": "enabled", "budget_tokens": 1_500}}


@pytest.mark.parametrize("up", THINKERS, ids=lambda up: up.alias)
@both_ways
@pytest.mark.parametrize("words", ["[think]", "[redact] [think]"])
async def test_thinking_goes_back_with_the_calls_that_it_led_to(matrix, books, up, stream, words):
    asked = user(f"{words} [parallel tools] How is the weather?")
    more = {"stream": stream, "tools": TOOLS, **thinking(up)}
    first = await ask(matrix, up.alias, asked, **more)
    kinds = [block["type"] for block in first.said[0]["content"]]
    assert first.thinking
    assert kinds[0] in {"thinking", "redacted_thinking"}
    assert first.stop == "tool_use"
    books.check(up, first)
    turns = [asked, *first.said, results(first)]
    second = await ask(matrix, up.alias, *turns, **more)
    assert second.text
    bill = books.check(up, second)  # nothing was dropped: it is noted on the bill
    third = await ask(matrix, up.alias, *turns, *second.said, user("And tomorrow?"), **more)
    assert third.text
    later = books.check(up, third)
    assert bill["counts"]["input"] + bill["counts"]["cache_read"] < sum(
        later["counts"][name] for name in ("input", "cache_read", "cache_write", "cache_write_1h")
    )


@pytest.mark.parametrize("up", OTHERS, ids=lambda up: up.alias)
async def test_a_budget_at_a_model_that_does_not_think(matrix, books, up):
    asked = {"thinking": {"type": "enabled", "budget_tokens": 1_500}}
    if up.family == "openai" or up.alias == "huggingface":  # the table: a hint there
        reply = await ask(matrix, up.alias, user("Hello"), **asked)
        assert (reply.thinking, bool(reply.text)) == ("", True)
        books.check(up, reply)
        return
    answer = await call(matrix, body(up.alias, user("Hello"), **asked))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "thinking.budget_tokens"), (
        answer.text
    )


@every_row
@both_ways
@pytest.mark.parametrize("ttl", [None, "1h"])
async def test_a_marked_system_prompt_is_read_from_the_cache(matrix, books, up, stream, ttl):
    mark = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    text = f"{up.alias} {stream} {ttl}. {LONG}"
    system = [{"type": "text", "text": text, "cache_control": mark}]
    first = await ask(matrix, up.alias, user("One"), stream=stream, system=system)
    bill = books.check(up, first)
    assert bill["counts"]["cache_read"] == 0
    second = await ask(matrix, up.alias, user("Two"), stream=stream, system=system)
    again = books.check(up, second)
    assert again["counts"]["cache_read"] > 3_000
    if up.family == "claude":
        written = "cache_write_1h" if ttl else "cache_write"
        assert bill["counts"][written] == again["counts"]["cache_read"]
