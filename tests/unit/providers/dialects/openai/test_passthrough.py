"""The dialect: bytes pass, `model` changes, usage is read, nothing is invented."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.framing.malformed import MalformedStream
from providers.json_scan.limits import MalformedAnswer
from providers.target import Secret, Target

TARGET = Target(
    id=1,
    alias="chat",
    name="chat-1",
    provider="openai",
    upstream_model="up-1",
    base_url="http://u/v1",
    secret=Secret(""),
)
USAGE = '{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}'


def shape(**changes):
    return msgspec.structs.replace(Shape(alias="chat", path="chat/completions", stream=True), **changes)


def chunk(delta, finish=None, model="up-1-2026"):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "model": model,
        "choices": [choice],
        "usage": None,
    }
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


STREAM = b"".join(
    [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Grüße "}),
        b": keep-alive\r\n\r\n",
        chunk({"content": '"model":"up-1-2026" \U0001f600'}).replace(b"\n", b"\r\n"),
        chunk({}, "stop"),
        b'data: {"id":"c1","model":"up-1-2026","choices":[],"usage":' + USAGE.encode() + b"}\n\n",
        b"data: [DONE]\n\n",
    ]
)


def read(blocks, **changes):
    stream = OpenAIToOpenAI(shape(**changes)).stream()
    out = b"".join(stream.feed(block) for block in blocks)
    return stream, out + stream.end()


def documents(out):
    return [json.loads(event.removeprefix(b"data: ")) for event in out.split(b"\n\n") if event]


class TestRequest:
    def test_passthrough_sends_the_very_same_bytes_when_nothing_changes(self):
        raw = b'{ "model" : "up-1",\n "messages": [ ] }'

        sent = OpenAIToOpenAI(Shape(alias="up-1", path="chat/completions")).request(raw, TARGET)

        assert sent is raw

    def test_passthrough_replaces_the_model_and_no_other_value(self):
        raw = b'{"model":"chat","seed":1.50,"vendor":{"model":"chat"},"messages":[{"content":"\\u00e9 \xc3\xa9"}]}'

        sent = OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).request(raw, TARGET)

        assert sent == raw.replace(b'{"model":"chat","seed"', b'{"model":"up-1","seed"')

    def test_passthrough_asks_for_usage_and_keeps_the_other_stream_options(self):
        raw = b'{"model":"chat","stream_options":{"include_obfuscation":false},"messages":[1]}'

        sent = json.loads(OpenAIToOpenAI(shape()).request(raw, TARGET))

        assert sent["stream_options"] == {"include_obfuscation": False, "include_usage": True}

    def test_passthrough_lets_no_repeated_model_through(self):
        raw = b'{"model":"chat","messages":[1],"model":"chat"}'

        sent = OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).request(raw, TARGET)

        assert sent.count(b'"model"') == 1

    @pytest.mark.parametrize(
        ("sent_by_client", "expected"),
        [
            ((), {"max_completion_tokens": 9}),
            (("max_tokens",), {"max_completion_tokens": 9}),
            (("max_completion_tokens", "max_tokens"), {"max_completion_tokens": 9}),
            (("n_predict",), {"max_completion_tokens": 9}),
        ],
    )
    def test_exactly_one_cap_goes_upstream_under_the_name_of_the_deployment(self, sent_by_client, expected):
        raw = json.dumps({"model": "chat", **dict.fromkeys(sent_by_client, 100)}).encode()

        sent = json.loads(
            OpenAIToOpenAI(shape(output_cap=9, stated_cap=100, cap_names=sent_by_client)).request(raw, TARGET)
        )

        assert {name: sent[name] for name in sent if name.startswith("max_")} == expected


class TestResponse:
    def test_passthrough_restores_the_alias_and_reads_usage(self):
        raw = (
            b'{"id":"x","model":"up-1-2026","choices":[{"message":{"content":"hi"}}],"usage":'
            + USAGE.encode()
            + b"}"
        )

        answered = OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).response(raw)

        assert json.loads(answered.body)["model"] == "chat"
        assert answered.usage is not None
        assert (answered.usage.input_tokens, answered.usage.output_tokens) == (5, 2)

    def test_passthrough_keeps_the_text_for_counting_without_reported_usage(self):
        raw = b'{"model":"m","choices":[{"message":{"content":"hello there"}}]}'

        answered = OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).response(raw)

        assert (answered.usage, answered.produced) == (None, "hello there")

    @pytest.mark.parametrize(
        "raw", [b"<html>", b"", b"[]", b"null", b'{"a":1}', b'{"choices":[', b'{"error":{}}', b"[" * 9999]
    )
    def test_passthrough_takes_usage_from_no_other_document(self, raw):
        with pytest.raises(MalformedAnswer):
            OpenAIToOpenAI(Shape(alias="chat", path="chat/completions")).response(raw)


class TestStream:
    def test_chunks_pass_with_the_alias_and_without_unrequested_members(self):
        stream, out = read([STREAM])

        chunks = documents(out)
        assert [c["model"] for c in chunks] == ["chat"] * 4
        assert all("usage" not in c for c in chunks)
        assert stream.done
        assert stream.usage is not None
        assert stream.usage.output_tokens == 2

    def test_passthrough_never_changes_the_text(self):
        stream, out = read([STREAM])

        said = "".join(c["choices"][0]["delta"].get("content", "") for c in documents(out))
        assert said == 'Grüße "model":"up-1-2026" \U0001f600' == stream.produced()

    def test_passthrough_passes_the_usage_chunk_when_the_client_asked_for_it(self):
        _, out = read([STREAM], include_usage=True)

        chunks = documents(out)
        assert chunks[-1]["usage"]["total_tokens"] == 7
        assert chunks[-1]["choices"] == []
        assert chunks[0]["usage"] is None

    def test_passthrough_gives_the_same_output_however_the_stream_is_cut(self):
        _, whole = read([STREAM])

        for cut in range(len(STREAM)):
            _, out = read([STREAM[:cut], STREAM[cut:]])
            assert out == whole

    @settings(deadline=None)
    @given(st.lists(st.integers(0, len(STREAM)), max_size=12))
    def test_passthrough_gives_the_same_output_for_any_cuts(self, cuts):
        marks = [0, *sorted(cuts), len(STREAM)]

        _, out = read([STREAM[a:b] for a, b in pairwise(marks)])

        assert out == read([STREAM])[1]

    def test_passthrough_does_not_count_a_role_as_content(self):
        stream, _ = read([chunk({"role": "assistant", "content": ""})])

        assert not stream.started

    def test_passthrough_is_complete_without_done_when_every_choice_has_finished(self):
        stream, _ = read([chunk({"content": "a"}), chunk({}, "stop")])

        assert stream.done

    def test_a_stream_without_an_end_marker_is_not_complete(self):
        stream, _ = read([chunk({"content": "a"})])

        assert not stream.done

    def test_passthrough_keeps_an_error_sent_inside_the_stream(self):
        stream, out = read(
            [chunk({"content": "a"}), b'data: {"error":{"message":"boom"}}\n\n', chunk({"content": "b"})]
        )

        assert stream.failure == b'{"error":{"message":"boom"}}'
        assert len(documents(out)) == 1

    @pytest.mark.parametrize(
        "data", [b"data: {oops\n\n", b"data: <html>\n\n", b"data: 7\n\n", b"data: \xff\n\n"]
    )
    def test_passthrough_forwards_nothing_malformed(self, data):
        with pytest.raises(MalformedStream):
            read([chunk({"content": "a"}), data])

    def test_passthrough_counts_tool_calls_and_reasoning_as_produced(self):
        call = {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": '{"a":1}'}}]}

        stream, _ = read([chunk({"reasoning_content": "hm "}), chunk(call)])

        assert stream.produced() == 'hm f{"a":1}'
        assert stream.started


def test_content_before_a_malformed_event_of_the_same_block_is_neither_lost_nor_unbilled():
    stream = OpenAIToOpenAI(shape()).stream()
    out = stream.feed(chunk({"content": "word"}) + b'data: {"choi\n\n')
    assert b"word" in out
    assert (stream.started, stream.produced_events) == (True, 1)
    assert stream.failure is not None


@pytest.mark.parametrize("piece", ["{}", "[]", '{"delta":{"content":"a"}}'])
def test_a_long_chunk_with_very_much_in_it_passes_unread_and_counts_as_produced(piece):
    data = f'{{"model":"up-1","choices":[{",".join([piece] * 30_000)}]}}'.encode()
    stream, out = read([b"data: " + data + b"\n\ndata: [DONE]\n\n"])
    assert out == b"data: " + data.replace(b"up-1", b"chat") + b"\n\n"
    assert (stream.produced_bytes, stream.done) == (len(data), True)


def test_a_chunk_that_is_nested_deeply_passes_as_it_came():
    data = b'{"choices":[{"delta":' + b"[" * 400 + b'"word"' + b"]" * 400 + b"}]}"
    stream, out = read([b"data: " + data + b"\n\ndata: [DONE]\n\n"])
    assert (out, stream.done, stream.produced()) == (b"data: " + data + b"\n\n", True, "word")


def test_a_chunk_that_is_nested_too_deeply_to_be_read_is_an_error():
    data = b'{"choices":[{"delta":' + b"[" * 20_000 + b"]" * 20_000 + b"}]}"
    with pytest.raises(MalformedStream):
        read([b"data: " + data + b"\n\n"])


def test_an_error_in_a_long_chunk_is_seen():
    data = b'{"choices":[' + b"{}," * 30_000 + b'{}],"error":{"message":"no"}}'
    stream, out = read([b"data: " + data + b"\n\n"])
    assert (stream.failure, out) == (b'{"error":{"message":"no"}}', b"")


def test_a_long_chunk_of_text_is_read():
    text = 'words, [brackets] {and} "quotes"\n' * 9_000
    stream, _ = read([chunk({"content": text}), chunk({}, "stop")])
    assert (stream.started, stream.produced_bytes) == (True, len(text))
