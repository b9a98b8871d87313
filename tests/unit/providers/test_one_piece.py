"""One answer instead of a stream becomes its only event, in any shape, because it was paid for. Also documents that
other readers accept: with a byte order mark, or cut between two bytes of a character.
"""

from __future__ import annotations

import json

import pytest

from providers.dialects.base import Shape
from providers.dialects.one_piece import as_event, edits_of
from providers.dialects.openai.passthrough import DONE, OpenAIToOpenAI
from providers.errors.messages import read_error
from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.repaired import mended

USED = b'"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}'
BOM = b"\xef\xbb\xbf"
SHAPE = Shape(alias="m", path="chat/completions", stream=True)
MESSAGES = {
    "null": (b"null", {}),
    "a list": (b"[1]", [1]),
    "a text": (b'"words"', "words"),
    "half of an emoji": (b'{"content":"\\ud83d"}', {"content": "\ud83d"}),
    "calls of other shapes": (
        b'{"tool_calls":["x",null,{"id":"c"}]}',
        {"tool_calls": ["x", None, {"index": 2, "id": "c"}]},
    ),
    "calls as an object": (b'{"content":"a","tool_calls":{}}', {"content": "a", "tool_calls": {}}),
    "half of a letter": (b'{"content":"a\xf0\x9f"}', {"content": "a\ufffd"}),
    "letters": ('{"content":"\u00fc\u4f60"}'.encode(), {"content": "\u00fc\u4f60"}),
}


def document(message: bytes, more: bytes = USED) -> bytes:
    return b'{"model":"up","choices":[{"index":0,"message":%b,"finish_reason":"stop"}],%b}' % (message, more)


@pytest.mark.parametrize("mark", [b"", BOM])
@pytest.mark.parametrize("kind", MESSAGES)
def test_an_odd_answer_in_one_piece_is_a_streams_only_event(kind: str, mark: bytes) -> None:
    message, delta = MESSAGES[kind]
    raw = mark + document(message)
    dialect = OpenAIToOpenAI(SHAPE)
    dialect.response(raw)
    stream = dialect.stream()
    out = stream.feed(as_event(raw, edits_of(raw)) + DONE)
    [choice] = json.loads(out.split(b"\n\n")[0][6:])["choices"]
    assert choice == {"index": 0, "finish_reason": "stop", "delta": delta}
    assert (stream.done, stream.failure) == (True, None)
    assert stream.usage is not None
    assert (stream.usage.input_tokens, stream.usage.output_tokens) == (9, 5)


@pytest.mark.parametrize(
    "raw", [b"", b"[1]", b'{"choices":[', b"[" * 100_000, b'{"choices":[}', b'{"a" 1}', b"{,"]
)
def test_what_is_no_answer_is_no_event(raw: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        edits_of(raw)


def test_answer_with_a_byte_order_mark_is_delivered_and_billed() -> None:
    answered = OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(
        BOM + document(b'{"content":"a"}')
    )
    assert json.loads(answered.body)["model"] == "m"
    assert answered.usage is not None
    assert answered.usage.output_tokens == 5


@pytest.mark.parametrize("text", [b"four words are here\xff", b"\xf0\x9f four words are here"])
def test_what_was_written_around_a_broken_letter_is_counted(text: bytes) -> None:
    raw = document(b'{"content":"%b"}' % text, b'"x":1')
    answered = OpenAIToOpenAI(Shape(alias="m", path="chat/completions")).response(raw)
    assert text in answered.body
    assert "four words are here" in answered.produced


def test_a_letter_that_a_stream_cuts_between_its_bytes_breaks_nothing() -> None:
    stream = OpenAIToOpenAI(SHAPE).stream()
    out = b""
    for part in (b"a\xf0\x9f", b"\x98\x80b"):
        out += stream.feed(
            b'data: {"model":"up","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % part
        )
    assert (stream.started, stream.failure, stream.produced()) == (True, None, "a\ufffd\ufffd\ufffdb")
    assert "a\ufffd".encode() in out
    assert b"up" not in out


def test_an_error_with_a_broken_letter_is_read() -> None:
    for broken in (b"\xff", b"\\ud83d"):
        said = read_error(b'{"error":{"message":"bad %b","code":"context_length_exceeded"}}' % broken)
        assert said.code == "context_length_exceeded"
    assert read_error(BOM + b'{"error":{"message":"no"}}').message == "no"


@pytest.mark.parametrize("raw", [b'{"a":1}', '{"a":"\u00fc"}'.encode(), b"", b"\\ud83d"[:3]])
def test_what_is_whole_is_left_alone(raw: bytes) -> None:
    assert mended(raw) is None


@pytest.mark.parametrize("raw", [BOM, BOM + b'{"a":"\\ud83d\xff"}', b"\xff" * 9, b'{"a":NaN,"b":"\xc3"}'])
def test_what_is_mended_keeps_its_length(raw: bytes) -> None:
    found = mended(raw)
    assert found is not None
    assert len(found) == len(raw)
    found.decode()
