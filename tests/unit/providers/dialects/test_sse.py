"""Event streams are read the same however they are cut, framed and padded."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.framing.sse import MOST_LINES, EventTooLarge, SseEvent, SseParser

STREAM = (
    "\ufeff: hello\r\n\r\n"
    'data: {"a": "größe ✓ 🎈"}\n\n'
    "event: ping\rdata:no space\r\r"
    "id: 7\r\nretry: 10\r\ndata: one\r\ndata:  two\r\ndata\r\n\r\n"
    "unknown: x\ndataset: y\n\n"
    "\n\n\n"
    "data:\n\n"
    "data: mixed\r\n\ndata: [DONE]\n\r\n"
    "data: never ended\n"
).encode()
EVENTS = [
    SseEvent('{"a": "größe ✓ 🎈"}'.encode()),
    SseEvent(b"no space", "ping"),
    SseEvent(b"one\n two\n"),
    SseEvent(b""),
    SseEvent(b"mixed"),
    SseEvent(b"[DONE]"),
]


def read(*blocks: bytes) -> list[SseEvent]:
    parser = SseParser()
    return [as_event(event) for block in blocks for event in parser.feed(block)]


def as_event(event: bytes | SseEvent) -> SseEvent:
    """One line of data that begins an object is handed over as its bytes."""
    return SseEvent(event) if isinstance(event, bytes) else event


def by_the_letter(stream: bytes) -> list[SseEvent]:
    """The standard's own algorithm, line by line, slow and plain."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[SseEvent] = []
    data: list[bytes] = []
    kind = b""
    for line in text.split(b"\n")[:-1]:
        if not line:
            if data:
                events.append(SseEvent(b"\n".join(data), kind.decode(errors="replace")))
            elif kind == b"error":
                events.append(SseEvent(b"", "error"))
            data, kind = [], b""
            continue
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        if field == b"event":
            kind = value.removeprefix(b" ")
    return events


def test_parser_reads_every_form_a_stream_may_take() -> None:
    assert read(STREAM) == EVENTS


def test_parser_reads_the_same_when_cut_at_any_byte() -> None:
    for cut in range(len(STREAM) + 1):
        assert read(STREAM[:cut], STREAM[cut:]) == EVENTS


def test_parser_reads_the_same_when_cut_at_any_two_bytes() -> None:
    for first in range(len(STREAM) + 1):
        for second in range(first, min(first + 12, len(STREAM)) + 1):
            assert read(STREAM[:first], STREAM[first:second], STREAM[second:]) == EVENTS


def test_parser_reads_the_same_byte_by_byte() -> None:
    assert read(*(bytes([byte]) for byte in STREAM)) == EVENTS


def test_an_event_is_handed_over_with_its_blank_line_and_not_later() -> None:
    parser = SseParser()

    assert parser.feed(b"data: 1\r\n") == []
    assert parser.feed(b"\r") == [SseEvent(b"1")]
    assert parser.feed(b"\ndata: 2\n\n") == [SseEvent(b"2")]


def test_an_event_without_its_blank_line_is_reported_and_discarded() -> None:
    parser = SseParser()
    parser.feed(b"data: 1\n\ndata: 2\n")

    assert parser.close() == b"data: 2\n"
    assert parser.close() == b""


def test_a_byte_order_mark_counts_only_at_the_start() -> None:
    mark = b"\xef\xbb\xbf"

    assert read(mark[:1], mark[1:2], mark[2:], b"data: 1\n\n", mark + b"data: 2\n\n") == [SseEvent(b"1")]


def test_a_start_that_only_looks_like_a_mark_is_kept() -> None:
    assert read(b"\xef\xbb", b"data: 1\ndata: 2\n\n") == [SseEvent(b"2")]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_an_event_at_the_cap_passes_and_one_byte_more_does_not(line_end: bytes) -> None:
    fits = b"data: " + b"x" * 94 + line_end * 2
    too_large = b"data: " + b"x" * 95 + line_end * 2

    assert SseParser(max_event=100).feed(fits) == [SseEvent(b"x" * 94)]
    for cut in range(len(too_large)):
        parser = SseParser(max_event=100)
        with pytest.raises(EventTooLarge):
            parser.feed(too_large[:cut]) + parser.feed(too_large[cut:])
    for cut in range(len(fits)):
        parser = SseParser(max_event=100)
        assert parser.feed(fits[:cut]) + parser.feed(fits[cut:]) == [SseEvent(b"x" * 94)]


def test_the_events_before_one_that_is_too_large_are_not_lost() -> None:
    with pytest.raises(EventTooLarge) as caught:
        SseParser(max_event=100).feed(b"data: 1\n\n" + b"x" * 200)

    assert caught.value.events == [SseEvent(b"1")]


def test_endless_bytes_without_a_blank_line_are_not_kept_for_ever() -> None:
    parser = SseParser(max_event=1000)
    for _ in range(80):
        parser.feed(b": heartbeat\n")

    with pytest.raises(EventTooLarge):
        parser.feed(b": heartbeat\n" * 4)


lines = st.sampled_from(
    [b"data: x", b"data:y", b"data", b"event: e", b": c", b"id: 1", b"", b"", b"data: \xc3\xa9", b"  data: z"]
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
streams = st.builds(
    lambda mark, parts, rest: mark + b"".join(line + end for line, end in parts) + rest,
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(lines, ends), max_size=25),
    st.sampled_from([b"", b"data: left", b"\r"]),
)


@settings(max_examples=300, deadline=None)
@given(streams, st.data())
def test_parser_agrees_with_the_standard_however_the_stream_is_cut(
    stream: bytes, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    blocks = [stream[start:end] for start, end in pairwise(edges)]

    assert read(*blocks) == by_the_letter(stream)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 7))
def test_parser_survives_any_bytes(noise: bytes, step: int) -> None:
    blocks = [noise[start : start + step] for start in range(0, len(noise), step)]

    assert read(*blocks) == by_the_letter(noise)


def test_bytes_that_come_one_by_one_cost_the_same_each() -> None:
    def seconds(size: int) -> float:
        parser = SseParser()
        started = time.process_time()
        for _ in range(size):
            parser.feed(b"x")
        return time.process_time() - started

    small = min(seconds(8 * 1024) for _ in range(3))
    large = min(seconds(64 * 1024) for _ in range(3))

    assert large < 8 * small * 4  # eight times the bytes; quadratic would be sixty-four times the work


def test_an_event_of_very_many_lines_is_too_large():
    lines = b"data: x\n" * (MOST_LINES + 2)
    with pytest.raises(EventTooLarge):
        SseParser().feed(lines + b"\n")
    [event] = read(lines[: 8 * MOST_LINES] + b"\n")
    assert event.data.count(b"x") == MOST_LINES


def test_blank_lines_between_events_are_nothing():
    assert [event.data for event in read(b"data: a\n\n" + b"\n" * 9_999 + b"\ndata: b\n\n")] == [
        b"a",
        b"b",
    ]
