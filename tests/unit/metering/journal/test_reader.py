from __future__ import annotations

from pathlib import Path

import pytest

from metering.journal.frames import encode
from metering.journal.reader import JournalReader
from metering.journal.records import Mark, Record, Void
from metering.journal.segments import Directory, Position
from tests.support.books.calls import closed, opened


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory.create(tmp_path)


def write(directory: Directory, segment: int, *records: Record) -> None:
    with directory.segment(segment).open("ab") as file:
        file.write(b"".join(encode(record) for record in records))


def ids(tail: JournalReader, limit: int = 10**6) -> list[str]:
    return [call.open.id for call in tail.read(tail.end(), limit)]


def test_reader_yields_calls_in_the_order_they_ended(directory: Directory) -> None:
    write(directory, 1, opened("a"), opened("b"), closed("b"), closed("a"))

    assert ids(JournalReader(directory)) == ["b", "a"]


def test_reader_stops_at_the_limit_and_goes_on_from_there(directory: Directory) -> None:
    write(directory, 1, opened("a"), opened("b"), closed("a"), closed("b"))
    tail = JournalReader(directory)

    assert ids(tail, 1) == ["a"]
    assert ids(tail, 1) == ["b"]
    assert ids(tail, 1) == []


def test_reader_continues_with_later_records(directory: Directory) -> None:
    write(directory, 1, opened("a"))
    tail = JournalReader(directory)
    before = ids(tail)
    write(directory, 1, closed("a"), opened("b"))
    write(directory, 2, closed("b"))

    assert before == []
    assert ids(tail) == ["a", "b"]


def test_reader_stops_at_the_given_end(directory: Directory) -> None:
    write(directory, 1, opened("a"), closed("a"))
    tail = JournalReader(directory)

    calls = tail.read(Position(1, len(encode(opened("a")))), 10)

    assert calls == []
    assert list(tail.running) == ["a"]


def test_reader_skips_shipped_calls_but_not_those_still_running(directory: Directory) -> None:
    write(directory, 1, opened("a"), opened("b"), closed("a"))
    tail = JournalReader(directory)
    tail.read(tail.end(), 10)
    directory.note_cursor(tail.position, durable=False)
    write(directory, 1, closed("b"))

    assert ids(JournalReader(directory)) == ["b"]


def test_a_running_call_keeps_its_segment(directory: Directory) -> None:
    write(directory, 1, opened("a"))
    write(directory, 2, opened("b"), closed("b"))
    write(directory, 3, Mark("a", 3))
    tail = JournalReader(directory)
    tail.read(tail.end(), 10)

    assert tail.oldest_segment == 1


def test_nothing_keeps_the_segments_of_calls_that_are_over(directory: Directory) -> None:
    write(directory, 1, opened("a"), opened("b"))
    write(directory, 2, closed("b"), Void("a"))
    write(directory, 3, opened("c"))
    tail = JournalReader(directory)
    tail.read(tail.end(), 10)

    assert tail.oldest_segment == 3


def test_a_second_copy_of_an_end_is_ignored(directory: Directory) -> None:
    write(directory, 1, opened("a"), closed("a"), closed("a"))
    tail = JournalReader(directory)

    assert ids(tail) == ["a"]
    assert tail.lost_ids == []


def test_damage_in_the_middle_loses_no_call_behind_it(directory: Directory) -> None:
    write(directory, 1, opened("a"), closed("a"))
    with directory.segment(1).open("ab") as file:
        file.write(encode(opened("lost"))[:-3] + b"???")
    write(directory, 1, opened("b"), closed("b"), closed("lost"))
    tail = JournalReader(directory)

    assert ids(tail) == ["a", "b"]
    assert [damage.segment for damage in tail.damages] == [1]
    assert tail.lost_ids == ["lost"]


def test_an_empty_directory_has_nothing(directory: Directory) -> None:
    assert ids(JournalReader(directory)) == []
