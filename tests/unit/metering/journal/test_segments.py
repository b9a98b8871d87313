from __future__ import annotations

from pathlib import Path

from metering.journal.segments import START, Directory, Position, directories, is_alive


def test_the_directory_of_a_live_process_cannot_be_claimed(tmp_path: Path) -> None:
    own = Directory.create(tmp_path)

    assert Directory.take_over(own.path) is None
    assert is_alive(own.path)


def test_the_directory_of_a_dead_process_can_be_claimed_once(tmp_path: Path) -> None:
    own = Directory.create(tmp_path)
    own.release()

    assert not is_alive(own.path)
    assert Directory.take_over(own.path) is not None
    assert Directory.take_over(own.path) is None


def test_a_process_id_that_was_used_before_gets_a_directory_of_its_own(tmp_path: Path) -> None:
    first = Directory.create(tmp_path)
    second = Directory.create(tmp_path)

    assert directories(tmp_path) == sorted([first.path, second.path])


def test_segments_are_listed_in_order(tmp_path: Path) -> None:
    own = Directory.create(tmp_path)
    for number in (10, 2, 1):
        own.segment(number).touch()

    assert own.segments() == [1, 2, 10]


def test_a_cursor_is_read_back(tmp_path: Path) -> None:
    own = Directory.create(tmp_path)

    own.note_cursor(Position(3, 4711), durable=True)

    assert own.cursor() == Position(3, 4711)


def test_a_missing_cursor_is_the_start(tmp_path: Path) -> None:
    assert Directory.create(tmp_path).cursor() == START


def test_a_damaged_cursor_is_the_start(tmp_path: Path) -> None:
    own = Directory.create(tmp_path)
    own.note_cursor(Position(3, 4711), durable=False)
    raw = (own.path / "cursor").read_bytes()

    found = []
    for at in range(len(raw)):
        (own.path / "cursor").write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        found.append(own.cursor())
    (own.path / "cursor").write_bytes(raw[:-1])

    assert set(found) == {START}
    assert own.cursor() == START


def test_a_removed_directory_leaves_nothing(tmp_path: Path) -> None:
    own = Directory.create(tmp_path)
    own.segment(1).touch()
    own.note_cursor(Position(1, 0), durable=False)

    own.remove()

    assert list(tmp_path.iterdir()) == []


def test_what_a_removal_left_half_way_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / "boot-1").mkdir()

    assert Directory.take_over(tmp_path / "boot-1") is None
    assert directories(tmp_path) == []


def test_a_damaged_segment_is_kept_for_the_operator(tmp_path: Path) -> None:
    own = Directory.create(tmp_path)
    own.segment(1).write_bytes(b"damage")

    own.remove_segment(1, keep_as_corrupt=True)

    assert [path.read_bytes() for path in tmp_path.glob("*.corrupt")] == [b"damage"]
