"""Answers that are almost JSON in UTF-8 are delivered as JSON in UTF-8, and their usage is counted."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.base import Answered, NeedsOffload, Shape
from providers.dialects.lenient.large_responses import (
    LargeResponse,
    answered,
    parse_as_event,
    parse_response,
    read_large_response,
)
from providers.dialects.lenient.rewritten import rewritten
from providers.dialects.one_piece import as_event
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.json_scan.limits import MalformedAnswer
from providers.processes.heavy_work import HeavyWork

CHAT = Shape(alias="chat", path="chat/completions")
WORDS = "it's \"é\" 😀\x1b\u2028\n\\x41 \\\\ None, True,] '},}"
DOCUMENT: dict[str, Any] = {
    "model": "up", "a": None, "b": [True, False], "c": {}, "d": {"None": "'", "e": '"', "f": "it's"},
    "choices": [{"index": 0, "message": {"role": "assistant", "content": WORDS}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 4},
}  # fmt: skip
JSON = json.dumps(DOCUMENT, ensure_ascii=False)
COMMAS = JSON.replace('"stop"}]', '"stop",}, \n]').replace("4}}", "4,},\t}")
ENCODINGS = ["utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
ODD = {
    **{encoding: JSON.encode(encoding) for encoding in ENCODINGS},
    "UTF-16 behind blanks": ("\n \n" + JSON).encode("utf-16-le"),
    "commas": COMMAS.encode(),
    "Python": str(DOCUMENT).encode(),
    "Python's ascii()": ascii(DOCUMENT).encode(),
    "Python in UTF-16": str(DOCUMENT).encode("utf-16"),
    "commas and NaN": COMMAS.replace("null", "NaN").encode(),
    "commas and half an emoji": COMMAS.replace('"c": {}', '"c": "\\ud83d"').encode(),
    "no number of Python": str({**DOCUMENT, "a": [math.nan, math.inf, -math.inf]}).encode(),
}


def small(raw: bytes) -> Answered:
    return OpenAIToOpenAI(CHAT).response(raw)


def large(raw: bytes) -> Answered:
    seen = msgspec.msgpack.decode(msgspec.msgpack.encode(parse_response(raw, CHAT)), type=LargeResponse)
    return answered(raw, seen, CHAT)


@pytest.mark.parametrize("name", ODD)
def test_repaired_answer_is_delivered_as_json_and_its_usage_billed(name):
    for read in (small, large):
        found = read(ODD[name])
        document = json.loads(found.body.decode("utf-8"))
        assert (document["model"], document["choices"]) == ("chat", DOCUMENT["choices"])
        assert (document["b"], document["d"]) == (DOCUMENT["b"], DOCUMENT["d"])
        assert found.usage is not None
        assert found.usage.total_tokens == 13
        piece = parse_as_event(ODD[name], CHAT)
        event = as_event(piece.source or ODD[name], piece.edits)
        told = json.loads(event.removeprefix(b"data: "))
        assert told["choices"][0]["delta"]["content"] == WORDS


async def test_a_large_answer_is_rewritten_in_the_heavy_process():
    heavy = HeavyWork()
    try:
        for text in (JSON, "\n\n" + str(DOCUMENT)):
            raw = text.replace("é", "é" * 200_000).encode("utf-16-le")
            found = await read_large_response(heavy.share(1), CHAT, raw)
            assert json.loads(found.body)["choices"][0]["message"]["content"] == WORDS.replace(
                "é", "é" * 200_000
            )
            assert found.usage == small(JSON.encode()).usage
    finally:
        heavy.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"{'choices': [1,,]}",
        b"{'a': -None}",
        b"{'a': (1,)}",
        b"{'a",
        b"{'a\\",
        b'{"a',
        b"{,",
        b"'",
        b"{'a': \\x}",
    ],
)
def test_text_that_is_no_answer_is_not_rewritten(raw):
    for read in (small, large):
        with pytest.raises(MalformedAnswer):
            read(raw)


def test_unusable_answer_is_judged_and_billed_too():
    """An error of 200 in Python's words, and a text of many pieces that no process has time for which serves calls."""
    raw = str({"error": {"message": "it's full", "code": 503}, "usage": DOCUMENT["usage"]}).encode()
    for read in (small, large):
        with pytest.raises(MalformedAnswer) as fault:
            read(raw)
        assert fault.value.usage is not None
        assert fault.value.usage.total_tokens == 13
    with pytest.raises(MalformedAnswer) as fault:
        small(raw)
    assert json.loads(fault.value.body or b"")["error"] == {"message": "it's full", "code": 503}
    with pytest.raises(NeedsOffload):
        small(str({**DOCUMENT, "x": ["a"] * 5_000}).encode())


@pytest.mark.parametrize("piece", [b"\\n", b"\\x41", b"None ", b"nan ", b"-inf ", b",]"])
def test_many_pieces_of_any_kind_are_left_to_another_process(piece):
    """Each takes a step of its own: 40 ms for the escapes that a text of 64 kB has room for."""
    with pytest.raises(NeedsOffload):
        small(b"{'choices': \"" + piece * 9_000 + b'"}')
    with pytest.raises(NeedsOffload):
        small(b"{'choices': [" + piece * 9_000 + b"]}")


def test_answer_that_takes_too_long_is_not_rewritten():
    raw = b"{" + b"'" * 4_000_002 + b"}"
    assert rewritten(raw) == raw
    with pytest.raises(MalformedAnswer):
        large(raw)
    for piece in (b"\\n", b"None,"):
        raw = b"{'a': \"" + piece * 4_000_002 + b'"}'
        assert rewritten(raw) == raw


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN.map(lambda document: {"x": document}))
def test_any_document_of_python_is_the_same_in_json(document):
    assert json.loads(rewritten(str(document).encode())) == document
    for is_ascii in (True, False):
        raw = json.dumps(document, ensure_ascii=is_ascii).encode()
        assert rewritten(raw) == raw
        assert rewritten(raw.decode().encode("utf-16")) == raw
