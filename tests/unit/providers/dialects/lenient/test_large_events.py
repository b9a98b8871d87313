"""B16 of real providers: events of a picture's size pass, parsed by another process, in bounded memory."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from providers.dialects.base import ParsedEvent, Shape
from providers.dialects.lenient.large_events import parse_event, read_large_event
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.dialects.output_text import KEPT, PIECE, Produced
from providers.errors.exceptions import UpstreamBroken
from providers.errors.out_of_memory import OutOfMemory
from providers.exchange import failure_for_malformed
from providers.framing.malformed import MalformedStream
from providers.processes.heavy_work import HeavyWork
from providers.resilience.attempt_planner import end_failed
from providers.resilience.health import DeploymentHealth
from providers.target import Secret, Target
from providers.tokens.count import count

MB = 1024 * 1024
PICTURE = "data:image/png;base64," + "iVBORw0KGgo" * 140_000  # 1.5 MB
SHAPE = Shape(alias="chat", path="chat/completions", stream=True, include_usage=True)
DONE = b"data: [DONE]\n\n"


def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "x", "model": "up", "choices": [choice], **more}).encode() + b"\n\n"


def aside(stream) -> bytes:
    """Do as the relay does, through the form in which it comes from the other process."""
    out = b""
    while stream.large is not None:
        out += stream.resume(
            msgspec.msgpack.decode(msgspec.msgpack.encode(parse_event(stream.large)), type=ParsedEvent)
        )
    return out


def relayed(*blocks: bytes, room=None, max_event=64 * MB):
    stream = OpenAIToOpenAI(SHAPE, room or (lambda _: True), max_event).stream()
    stream.has_offload = True
    out = b""
    for block in blocks:
        out += stream.feed(block) + aside(stream)
    return stream, out + stream.end()


LARGE = {
    "a picture": event({"images": [{"type": "image_url", "image_url": {"url": PICTURE}}]}),
    "a picture in the content": event({"content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}),
    "a text": event({"content": "word " * 120_000}),
    "half an emoji in a long text": event({"content": "word " * 120_000}).replace(
        b"word word", b"\\ud83d word", 1
    ),
    "very many values": event(
        {"content": "a"}, logprobs={"content": [{"token": "a", "top_logprobs": [1, 2, 3]}] * 6_500}
    ),
    "a picture that ends the choice": event({"images": [{"image_url": {"url": PICTURE}}]}, "stop"),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_event_passes_as_it_came_wherever_it_is_cut(kind):
    large = LARGE[kind]
    before, after = event({"role": "assistant", "content": ""}), event({"content": "b"}, "stop")
    whole = before + large + after + DONE
    stream, out = relayed(whole)
    told = [json.loads(each[6:]) for each in out.split(b"\n\n") if each]
    assert [each["model"] for each in told] == ["chat"] * 3
    theirs = [{**json.loads(each[6:]), "model": "chat"} for each in (before, large, after)]
    assert told == theirs
    assert (stream.started, stream.done, stream.failure) == (True, True, None)
    for step in (64 * 1024, 1_000_003):
        assert relayed(*[whole[at : at + step] for at in range(0, len(whole), step)])[1] == out


def test_a_picture_is_content_and_no_text():
    stream, _ = relayed(LARGE["a picture"])
    assert (stream.started, stream.produced_bytes, stream.done) == (True, 0, False)
    assert relayed(LARGE["a picture that ends the choice"])[0].done


def test_a_long_text_counts_as_produced():
    stream, _ = relayed(LARGE["a text"])
    assert stream.produced_bytes == 600_000
    assert abs(stream.produced_tokens + count(stream.produced()) - 120_000) < 12_000


@pytest.mark.parametrize(
    "more",
    [
        {"error": {"message": "boom"}},
        {"choices": [], "message": "boom"},
        {"choices": [{"finish_reason": "error"}]},
    ],
)
def test_an_error_in_a_large_event_is_one(more):
    large = event({}, x="x" * 300_000, **{name: value for name, value in more.items() if name != "choices"})
    if "choices" in more:
        large = b"data: " + json.dumps({"x": "x" * 300_000, **more}).encode() + b"\n\n"
    stream, out = relayed(event({"content": "a"}), large, DONE)
    assert stream.failure is not None
    assert (stream.done, out.count(b"data:"), b"xxx" in out) == (False, 1, False)


@pytest.mark.parametrize(
    "broken", [b'data: {"choices":[' + b"1" * 300_000 + b"\n\n", b"data: {" + b"x" * 300_000 + b"\n\n"]
)
def test_a_large_event_that_is_no_json_is_an_error(broken):
    stream, _ = relayed(event({"content": "a"}), broken, DONE)
    assert (stream.done, stream.failure is not None) == (False, True)


def test_the_usage_of_a_large_event_is_read():
    used = {"prompt_tokens": 9, "completion_tokens": 1290, "total_tokens": 1299}
    stream, _ = relayed(event({"images": [{"image_url": {"url": PICTURE}}]}, "stop", usage=used))
    assert stream.usage is not None
    assert (stream.usage.total_input_tokens, stream.usage.total_output_tokens) == (9, 1290)


@pytest.mark.parametrize("size", [MB, 3 * MB])
def test_an_event_beyond_the_limit_is_an_error_and_what_came_before_stands(size):
    first = event({"content": "a"})
    stream, out = relayed(first + event({"content": "x" * size}), max_event=MB // 2)
    assert (stream.failure is not None, out.count(b"data:"), stream.produced_bytes) == (True, 1, 1)
    with pytest.raises(MalformedStream, match="larger than"):
        relayed(first, event({"content": "x" * size}), max_event=MB // 2)


def test_memory_is_asked_for_before_it_is_taken_and_no_more_than_that_is_kept():
    asked: list[int] = []

    def room(size: int) -> bool:
        asked.append(size)
        return size <= 2 * MB

    blocks = [b"data: ", *[b"x" * 65_536] * 64]
    with pytest.raises(MalformedStream, match="no memory") as fault:
        relayed(*blocks, room=room)
    assert isinstance(failure_for_malformed(fault.value), OutOfMemory)
    assert asked == sorted(asked)
    assert 2 * MB < asked[-1] < 3 * MB
    assert len(asked) < 12
    asked.clear()
    relayed(*[event({"content": "word"})] * 50, room=room)
    assert asked == []


async def test_a_large_event_is_parsed_in_another_process():
    heavy = HeavyWork()
    try:
        seen = await read_large_event(heavy.share(1), LARGE["a picture"][6:-2])
    finally:
        heavy.close()
    assert (seen.malformed, seen.error) == ("", None)
    assert seen.choices[0].has_more


async def test_an_event_that_takes_too_much_is_malformed(monkeypatch):
    monkeypatch.setattr("providers.processes.heavy_work.CPU_S", 0.001)
    monkeypatch.setattr("providers.processes.heavy_work.CPU_S_PER_MB", 0.0)
    heavy = HeavyWork()
    seen = await read_large_event(heavy.share(1), b'{"choices":[' + b"{}," * 100_000 + b"{}]}")
    heavy.close()
    assert "could not be read" in seen.malformed


@pytest.mark.parametrize("text", ["word ", "Gr\u00fc\u00dfe \u4e16\u754c ", "x", "def f(a): return a\n"])
def test_text_is_counted_as_it_passes_in_bounded_memory(text):
    """2.4: sixty streams of 12 MB took 257 MB."""
    produced, whole = Produced(), text * (1_000_000 // len(text))
    for at in range(0, len(whole), PIECE):
        produced.add(whole[at : at + PIECE])
    assert len(produced.text) == KEPT
    total = produced.tokens + count(produced.text)
    exact = count(text * 400) * len(whole) / (len(text) * 400)
    assert exact * 0.9 < total < exact * 1.2


def test_a_stream_keeps_little_of_a_long_answer():
    stream, chunk = OpenAIToOpenAI(SHAPE).stream(), event({"content": "word " * 20})
    for _ in range(5_000):
        stream.feed(chunk)
    assert len(stream.produced()) <= KEPT + PIECE + 100
    assert stream.produced_bytes == 500_000
    assert abs(stream.produced_tokens + count(stream.produced()) - 100_000) < 10_000


HOSTILE = {  # and the most that may go back of it, in bytes
    "choices": (b'{"choices":[' + b"{}," * 20_000 + b"{}]}", 1_000),
    "choices that are none": (b'{"choices":[' + b"[]," * 20_000 + b"[]]}", 1_000),
    "texts": (b'{"choices":[' + b'{"delta":{"content":"%b"}},' % (b"x" * 900_000) * 12 + b"{}]}", 9 * MB),
    "a tier": (b'{"choices":[{}],"service_tier":[' + b"[]," * 20_000 + b"[]]}", 1_000),
    "a usage": (b'{"choices":[],"usage":{"prompt_tokens":[' + b'"0123456789",' * 20_000 + b"1]}}", 1_000),
    "a usage of lists": (
        b'{"choices":[],"usage":{"prompt_tokens":[' + b"[]," * 20_000 + b"1]}}",
        1_000,
    ),
    "details of a usage": (
        b'{"choices":[],"usage":{"prompt_tokens_details":{"a":[' + b"{}," * 20_000 + b"1]}}}",
        1_000,
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_result_of_reading_an_event_is_small(kind):
    """Whatever is in it: the process that serves calls must not take it apart again."""
    event, most = HOSTILE[kind]
    assert len(msgspec.msgpack.encode(parse_event(event))) < most


def test_large_sound_is_counted_and_not_sent_back():
    sound = event({"audio": {"id": "a", "data": "QUJD" * 100_000, "transcript": "four"}})
    assert len(msgspec.msgpack.encode(parse_event(sound[6:-2]))) < 1_000
    stream, _ = relayed(sound)
    assert (stream.started, stream.sound_chars, stream.produced_bytes) == (True, 400_000, 4)


@pytest.mark.parametrize(
    ("failure", "is_blamed"), [(OutOfMemory("no memory"), False), (UpstreamBroken("cut"), True)]
)
def test_only_the_providers_failures_are_blamed_on_the_deployment(failure, is_blamed):
    health, target = DeploymentHealth(), Target(
        id=1, alias="m", name="d", provider="openai", upstream_model="m", base_url="http://u", secret=Secret("")
    )  # fmt: skip
    for _ in range(5):
        turn = health.start(target)
        assert turn is not None
        assert end_failed(failure, turn, None) is failure
    [seen] = health.snapshots()
    assert (seen.value == 0) is is_blamed
