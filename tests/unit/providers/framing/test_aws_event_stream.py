"""Frames of AWS's event streams are read whatever way they are split, and nothing of a broken one is believed."""

from __future__ import annotations

import struct
from binascii import crc32
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.framing.aws_event_stream import EventStreamParser, Frame, headers_in
from providers.framing.malformed import MalformedStream
from tests.support.vendors.event_stream import error, event, exception, frame, header

STREAM = (
    event("messageStart", {"role": "assistant"})
    + event("contentBlockDelta", {"delta": {"text": "héllo"}})
    + frame(b"", b"")
    + frame(b"x" * 300, header(":event-type", "other") + b"\x01b\x00" + b"\x01i\x04\x00\x00\x00\x01")
    + exception("throttlingException", {"message": "slow down"})
    + error("internal", "it broke")
)


def parsed(blocks: list[bytes], **options: Any) -> list[Frame]:
    parser = EventStreamParser(**options)
    found = [each for block in blocks for each in parser.feed(block)]
    parser.close()
    assert parser.unfinished_bytes == 0
    return found


WHOLE = parsed([STREAM])


def test_the_kinds_of_frames() -> None:
    assert [(each.message, each.name, each.reason) for each in WHOLE] == [
        ("event", "messageStart", ""),
        ("event", "contentBlockDelta", ""),
        ("event", "", ""),
        ("event", "other", ""),
        ("exception", "throttlingException", ""),
        ("error", "internal", "it broke"),
    ]
    assert WHOLE[3].payload == b"x" * 300


def test_every_split_in_two_gives_the_same_frames() -> None:
    for at in range(len(STREAM) + 1):
        assert parsed([STREAM[:at], STREAM[at:]]) == WHOLE


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 13, 64])
def test_blocks_of_one_size_give_the_same_frames(size: int) -> None:
    assert parsed([STREAM[at : at + size] for at in range(0, len(STREAM), size)]) == WHOLE


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_gives_the_same_frames(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert parsed([STREAM[one:other] for one, other in pairwise(edges)]) == WHOLE


def test_botocore_reads_the_same() -> None:
    theirs: Any = pytest.importorskip("botocore.eventstream")
    buffer = theirs.EventStreamBuffer()
    buffer.add_data(STREAM)
    found = [(each.headers.get(":event-type", ""), each.payload) for each in buffer]
    ours = [(each.name if each.message == "event" else "", each.payload) for each in WHOLE]
    assert found == ours


@given(st.data())
def test_one_wrong_byte_is_noticed_and_the_frames_before_it_are_kept(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(STREAM) - 1))
    broken = bytearray(STREAM)
    broken[at] ^= data.draw(st.integers(1, 255))
    found: list[Frame] = []
    parser = EventStreamParser()
    cut = data.draw(st.integers(0, len(STREAM)))

    def read() -> None:
        for block in (bytes(broken[:cut]), bytes(broken[cut:])):
            found.extend(parser.feed(block))
        parser.close()

    with pytest.raises(MalformedStream):
        read()
    assert found == WHOLE[: len(found)]
    assert found == [each for each, end in zip(WHOLE, ends(), strict=True) if end <= at]


def ends() -> list[int]:
    found, at = [], 0
    while at < len(STREAM):
        at += struct.unpack(">I", STREAM[at : at + 4])[0]
        found.append(at)
    return found


def prelude(size: int, headers: int) -> bytes:
    lengths = struct.pack(">II", size, headers)
    return lengths + struct.pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    "lengths", [(0, 0), (15, 0), (16, 1), (100, 90), (2**32 - 1, 0), (2**31, 200_000), (300_000, 200_000)]
)
def test_lengths_that_cannot_be_true_are_refused_before_anything_is_buffered(
    lengths: tuple[int, int],
) -> None:
    with pytest.raises(MalformedStream):
        EventStreamParser().feed(prelude(*lengths))


def test_memory_is_asked_for_before_a_large_frame_and_only_once() -> None:
    asked: list[int] = []
    large = frame(b"y" * 500_000, header(":event-type", "e"))

    def grant(size: int) -> bool:
        asked.append(size)
        return True

    blocks = [large[at : at + 1000] for at in range(0, len(large), 1000)]
    assert len(parsed(blocks, grant_memory=grant, max_event=1_000_000)) == 1
    assert asked == [len(large)]
    with pytest.raises(MalformedStream) as refused:
        EventStreamParser(1_000_000, lambda _: False).feed(large[:64])
    assert refused.value.is_ours


@given(st.binary(max_size=60))
def test_headers_of_any_bytes_are_read_or_refused(block: bytes) -> None:
    try:
        headers_in(block)
    except MalformedStream:
        return
