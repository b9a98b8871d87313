"""Unseen output is estimated by the time it had and the speed that was measured."""

from __future__ import annotations

import pytest

from metering.output_speed import Speeds
from providers.usage import Usage

SEEN = Usage(input_tokens=10, output_tokens=3, estimated=True)


def fast(*, reasoning: int = 0) -> Usage:
    return Usage(input_tokens=10, output_tokens=200 - reasoning, reasoning_tokens=reasoning)


def test_a_call_that_shows_nothing_until_its_end_had_its_time_to_write() -> None:
    speeds = Speeds()
    speeds.record(1, fast(), 2.0)
    assert speeds.with_hidden(SEEN, 1, 3.0, is_seen=False).output_tokens == 300
    assert speeds.with_hidden(SEEN, 1, 0.01, is_seen=False).output_tokens == 3


def test_what_is_seen_as_it_is_written_hides_nothing_unless_the_model_thinks() -> None:
    speeds = Speeds()
    speeds.record(1, fast(), 2.0)
    speeds.record(2, fast(reasoning=150), 2.0)
    assert speeds.with_hidden(SEEN, 1, 3.0, is_seen=True) == SEEN
    hidden = speeds.with_hidden(SEEN, 2, 3.0, is_seen=True)
    assert (hidden.output_tokens, hidden.reasoning_tokens) == (3, 300)


@pytest.mark.parametrize(
    ("usage", "seconds"),
    [
        (fast(), 0.2),  # too short to say anything
        (Usage(input_tokens=10), 5.0),
        (Usage(input_tokens=10, output_tokens=5, estimated=True), 5.0),
    ],
)
def test_implausible_speeds_are_ignored(usage: Usage, seconds: float) -> None:
    speeds = Speeds()
    speeds.record(1, usage, seconds)
    assert speeds.with_hidden(SEEN, 1, 60.0, is_seen=False) == SEEN


def test_one_slow_call_does_not_make_a_deployment_slow() -> None:
    speeds = Speeds()
    speeds.record(1, fast(), 2.0)
    speeds.record(1, fast(), 200.0)
    assert 80 < speeds.with_hidden(SEEN, 1, 1.0, is_seen=False).output_tokens < 100
