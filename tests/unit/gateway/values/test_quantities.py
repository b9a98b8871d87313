"""Numbers in messages: a unit with each, separators between thousands, never less than it is."""

from __future__ import annotations

import pytest

from gateway.parsing.json_errors import readable
from gateway.values.quantities import many, seconds, size


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1_500, "1,500 bytes"),
        (1_024, "1 KB"),
        (20_971_520, "20 MB"),
        (1_000_000, "1,000,000 bytes"),
        (3 * 1024**3, "3 GB"),
        (2_000 * 1024**3, "2,000 GB"),
    ],
)
def test_a_size_is_said_exactly(number, words):
    assert size(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0.1 seconds"),
        (0.001, "0.1 seconds"),
        (0.25, "0.3 seconds"),
        (0.95, "1 second"),
        (1, "1 second"),
        (60.408, "61 seconds"),
        (299, "299 seconds"),
        (301, "6 minutes"),
        (7_199, "120 minutes"),
        (7_201, "3 hours"),
        (86_400, "24 hours"),
        (259_201, "4 days"),
    ],
)
def test_a_wait_is_never_said_too_short(number, words):
    assert seconds(number) == words


def test_one_is_not_several():
    assert (many(1, "model"), many(0, "model"), many(12_345, "model")) == (
        "1 model",
        "0 models",
        "12,345 models",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Expected `array`, got `str`", "expected a list, got a string"),
        ("Expected `object`, got `null`", "expected an object, got null"),
        ("Expected `bool | null`, got `int`", "expected true or false or null, got a whole number"),
        ("Expected `str` of length >= 1", "expected a string of at least 1 character"),
        ("Expected `array` of length <= 2048", "expected a list of at most 2,048 items"),
        ("Expected `int` >= 1", "expected a whole number of at least 1"),
        ("Expected `float | null` <= 2", "expected a number or null of at most 2"),
        ("Something new", "something new"),
    ],
)
def test_shapes_are_named_in_terms_of_json(text, words):
    assert readable(text) == words
