"""Clients of Responses over several turns: reasoning goes back to who made it; long prompts are read from the cache."""

from __future__ import annotations

import pytest

from tests.functional.providers.matrix.asked import LONG
from tests.functional.providers.matrix.responses.responses_calls import TOOLS, ask, results, user
from tests.functional.providers.matrix.rows import ROWS

THINKERS = [up for up in ROWS if up.thinks]
every_row = pytest.mark.parametrize("up", ROWS, ids=lambda up: up.alias)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
REASONING = {
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
}


@pytest.mark.parametrize("up", THINKERS, ids=lambda up: up.alias)
@both_ways
@pytest.mark.parametrize("words", ["[think]", "[redact] [think]"])
async def test_reasoning_goes_back_with_the_calls_that_it_led_to(matrix, books, up, stream, words):
    asked = user(f"{words} [parallel tools] How is the weather?")
    more = {"stream": stream, "tools": TOOLS, **REASONING}
    first = await ask(matrix, up.alias, asked, **more)
    assert first.thinking
    assert first.said[0]["type"] == "reasoning"
    assert first.said[0]["encrypted_content"]
    assert first.stop == "calls"
    books.check(up, first)
    turns = [asked, *first.said, *results(first)]
    second = await ask(matrix, up.alias, *turns, **more)
    assert second.text
    books.check(up, second)  # nothing was dropped: it is noted on the bill
    third = await ask(matrix, up.alias, *turns, *second.said, user("And tomorrow?"), **more)
    assert third.text
    books.check(up, third)


@every_row
@both_ways
async def test_long_instructions_are_read_from_the_cache(matrix, books, up, stream):
    more = {"stream": stream, "instructions": f"{up.alias} {stream}. {LONG}", "prompt_cache_key": "same"}
    first = await ask(matrix, up.alias, user("One"), **more)
    assert books.check(up, first)["counts"]["cache_read"] == 0
    second = await ask(matrix, up.alias, user("Two"), **more)
    again = books.check(up, second)
    if up.family in {"openai", "gemini"} or up.alias == "huggingface":  # the others cache what is marked
        assert again["counts"]["cache_read"] > 3_000
