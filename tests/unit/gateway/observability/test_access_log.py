"""A line of the access log is written or counted as lost, whatever its reader does and whatever is in it."""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import orjson
import pytest

from gateway.observability.access_log import CAPACITY, AccessLog
from tests.support.waiting import wait_until


class Reader:
    """The other end of what is written, and the count of what is lost."""

    def __init__(self) -> None:
        self.end, self.written_to = os.pipe()
        self.lost: Counter[str] = Counter()
        self.log = AccessLog(lambda count: self.lost.update(lines=count), self.written_to)

    def leave(self) -> None:
        os.close(self.end)
        self.end = -1

    def lines(self) -> list[bytes]:
        """Return all that was written, once the log is closed."""
        os.close(self.written_to)
        self.written_to = -1
        with os.fdopen(self.end, "rb") as pipe:
            self.end = -1
            return pipe.read().splitlines()

    def close(self) -> None:
        self.log.close()
        for fd in (self.end, self.written_to):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.close()


def line(number: int, **more: object) -> dict[str, object]:
    return {"at": 0.0, "id": f"req_{number}", **more}


def test_a_line_says_when_and_what(reader):
    reader.log.put(line(1, path="/v1/models", status=200))
    reader.log.close()
    [said] = map(orjson.loads, reader.lines())
    assert datetime.fromisoformat(said.pop("at")).timestamp() == 0
    assert said == {"event": "request", "id": "req_1", "path": "/v1/models", "status": 200}
    assert reader.lost == {}


def test_lines_beyond_the_bound_are_counted(reader):
    """While the reader stalls; what it then reads and what was counted are all there were."""
    fcntl.fcntl(reader.written_to, fcntl.F_SETPIPE_SZ, 4096)
    count = CAPACITY + 2_000
    for number in range(count):
        reader.log.put(line(number))
    assert reader.lost["lines"] > 0
    read = 0
    while read + reader.lost["lines"] < count:
        read += os.read(reader.end, 1 << 20).count(b"\n")
    assert read + reader.lost["lines"] == count


def test_unread_lines_are_counted(reader):
    reader.leave()
    for number in range(1_200):
        reader.log.put(line(number))
    wait_until(lambda: reader.lost["lines"], lambda lost: lost == 1_200)


@pytest.mark.parametrize(
    "odd",
    [{"limit": 2**70}, {"path": "\ud800"}, {"tried": [object()]}, {"at": "then"}],
    ids=["a large number", "half of a surrogate pair", "no JSON", "no time"],
)
def test_a_line_that_cannot_be_written_costs_no_other_one(reader, odd):
    reader.log.put(line(1))
    reader.log.put(line(2) | odd)
    wait_until(lambda: reader.lost["lines"])
    reader.log.put(line(3))
    reader.log.close()
    assert [orjson.loads(said)["id"] for said in reader.lines()] == ["req_1", "req_3"]
    assert reader.lost == {"lines": 1}
