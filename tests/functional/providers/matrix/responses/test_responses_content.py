"""Clients of Responses at every upstream: texts, calls of tools, pictures, JSON; billed as the vendor bills."""

from __future__ import annotations

import json

import pytest

from tests.functional.providers.matrix.asked import PDF, PNG, SCHEMA
from tests.functional.providers.matrix.responses.responses_calls import TOOLS, ask, body, call, results, user
from tests.functional.providers.matrix.rows import ROWS

every_row = pytest.mark.parametrize("up", ROWS, ids=lambda up: up.alias)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
IMAGE = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}
DOCUMENT = {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}


@every_row
@both_ways
async def test_a_text(matrix, books, up, stream):
    reply = await ask(matrix, up.alias, user("Hello there"), stream=stream, instructions="Be kind")
    assert (bool(reply.text), reply.stop) == (True, "stop")
    books.check(up, reply)


@every_row
@both_ways
@pytest.mark.parametrize(
    ("words", "least"), [("[tools]", 1), ("[parallel tools]", 2), ("[tools with text]", 1)]
)
async def test_calls_of_tools_and_their_results(matrix, books, up, stream, words, least):
    asked, more = user(f"{words} How is the weather?"), {"stream": stream, "tools": TOOLS}
    first = await ask(matrix, up.alias, asked, **more)
    assert first.stop == "calls"
    assert len(first.calls) >= least
    assert len({id_ for id_, _, _ in first.calls}) == len(first.calls)
    assert all(set(arguments) == {"place"} for _, _, arguments in first.calls)
    assert bool(first.text) or "with text" not in words
    books.check(up, first)
    second = await ask(matrix, up.alias, asked, *first.said, *results(first), **more)
    assert (bool(second.text), second.stop) == (True, "stop")
    books.check(up, second)


@every_row
@both_ways
@pytest.mark.parametrize("part", [IMAGE, DOCUMENT], ids=["vision", "document"])
async def test_pictures_and_documents(matrix, books, up, stream, part):
    asked = user([part, {"type": "input_text", "text": "What is it?"}])
    if up.alias == "huggingface" and part is IMAGE:  # the model sees nothing
        answer = await call(matrix, body(up.alias, asked, stream=stream))
        assert answer.status_code == 400
        assert answer.json()["error"]["param"].startswith("input")
        return
    reply = await ask(matrix, up.alias, asked, stream=stream)
    assert reply.text
    seen = books.vendors.calls(vendor=up.vendor, model=up.model, method="POST")[-1]
    assert (PNG if part is IMAGE else PDF).encode() in seen["body"]
    books.check(up, reply)


@every_row
@both_ways
async def test_json_by_a_schema(matrix, books, up, stream):
    chosen = {"format": {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}}
    reply = await ask(matrix, up.alias, user("Who is it?"), stream=stream, text=chosen)
    found = json.loads(reply.text)
    assert (type(found["name"]), type(found["age"])) == (str, int)
    assert (reply.stop, reply.calls) == ("stop", [])
    books.check(up, reply)


@every_row
@both_ways
async def test_a_response_that_is_cut_by_its_cap(matrix, books, up, stream):
    reply = await ask(matrix, up.alias, user("[long] Tell me all"), stream=stream, max_output_tokens=40)
    assert (reply.stop, reply.usage["output"]) == ("length", 40)
    books.check(up, reply)


@every_row
@both_ways
@pytest.mark.parametrize("word", ["[refuse]", "[filter]"])
async def test_a_refusal(matrix, books, up, stream, word):
    reply = await ask(matrix, up.alias, user(f"{word} Tell me all"), stream=stream)
    assert reply.refusal
    books.check(up, reply)
