from __future__ import annotations

import itertools
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from metering.journal.frames import MARKER, Gap, encode, scan
from metering.journal.records import Answered, Mark, Open, Record, Void
from providers.usage import Usage
from tests.support.books.calls import closed, opened

RECORDS: list[Record] = [
    opened("req_1"),
    Mark("req_1", 12, 340, 5),
    Answered(id="req_1", size=70, usage=Usage(input_tokens=3)),
    closed("req_1"),
    Void("req_2"),
]
FRAMES = [encode(record) for record in RECORDS]
WHOLE = b"".join(FRAMES)
ENDS = [sum(map(len, FRAMES[: n + 1])) for n in range(len(FRAMES))]


class Reading(NamedTuple):
    """Every good record of a buffer, where the last good frame ends, and what cannot be read."""

    records: list[Record]
    good_bytes: int
    gaps: tuple[Gap, ...]


def read_frames(buffer: bytes) -> Reading:
    records: list[Record] = []
    gaps: list[Gap] = []
    good_bytes = 0
    for found, end in scan(buffer):
        if isinstance(found, Gap):
            gaps.append(found)
        else:
            records.append(found)
            good_bytes = end
    return Reading(records, good_bytes, tuple(gaps))


def test_reader_reads_back_what_it_wrote() -> None:
    reading = read_frames(WHOLE)

    assert reading == (RECORDS, len(WHOLE), ())


@given(st.text(), st.integers(0, 2**60), st.floats(0, 4e9))
def test_reader_reads_back_any_text_and_number(text: str, number: int, instant: float) -> None:
    record = opened(text, at=instant, prompt=number)

    assert read_frames(encode(record)).records == [record]


def test_a_tail_torn_at_any_byte_costs_only_the_frame_it_tears() -> None:
    for cut in range(len(WHOLE)):
        whole = [end for end in ENDS if end <= cut]

        reading = read_frames(WHOLE[:cut])

        assert reading.records == RECORDS[: len(whole)], cut
        assert reading.good_bytes == max(whole, default=0), cut
        assert (not reading.gaps) == (cut in {0, *ENDS}), cut
        assert all(gap.torn for gap in reading.gaps), cut


def test_a_flipped_bit_anywhere_costs_only_the_frame_it_hits() -> None:
    for at, bit in itertools.product(range(len(WHOLE)), range(8)):
        hit = sum(end <= at for end in ENDS)
        survivors = RECORDS[:hit] + RECORDS[hit + 1 :]

        reading = read_frames(_flipped(WHOLE, at, bit))

        assert reading.records == survivors, (at, bit)
        assert reading.gaps, (at, bit)


def test_reader_reports_which_bytes_were_lost() -> None:
    reading = read_frames(_flipped(WHOLE, ENDS[0] + 3, 1))

    assert reading.gaps == (Gap(ENDS[0], ENDS[1], torn=False),)


@settings(max_examples=300)
@given(st.binary(max_size=64), st.integers(0, len(FRAMES)))
def test_garbage_between_frames_costs_no_frame(garbage: bytes, place: int) -> None:
    data = b"".join(FRAMES[:place]) + garbage + b"".join(FRAMES[place:])

    assert read_frames(data).records == RECORDS


def test_blocks_that_were_never_written_are_a_torn_tail() -> None:
    reading = read_frames(WHOLE + bytes(4096))

    assert reading.records == RECORDS
    assert [gap.torn for gap in reading.gaps] == [True]


def test_a_whole_last_frame_with_damage_is_not_called_torn() -> None:
    reading = read_frames(_flipped(WHOLE, len(WHOLE) - 1, 0))

    assert [gap.torn for gap in reading.gaps] == [False]


def test_a_frame_hidden_in_a_clients_text_is_never_read() -> None:
    forged = encode(Void("req_victim")).decode("latin-1")
    carrier = encode(opened(forged))

    reading = read_frames(_flipped(carrier, 5, 0) + FRAMES[0])

    assert MARKER not in forged.encode()
    assert reading.records == [RECORDS[0]]


def test_half_a_surrogate_pair_does_not_cost_the_record() -> None:
    record = read_frames(encode(opened("req_\ud800"))).records[0]

    assert isinstance(record, Open)
    assert record.id == "req_?"


def _flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]
