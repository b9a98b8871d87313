"""Each fault that was found by attack has tests, and none is removed or renamed unnoticed (tests/faults)."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.faults import ROWS
from tests.support.sources import ROOT, text_of


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the tests of a file, also those in classes."""
    folder, _, name = file.rpartition("/")
    text = text_of(ROOT / "tests" / folder / f"test_{name}.py")
    return frozenset(re.findall(r"^ *(?:async )?def (\w+)\(", text, re.MULTILINE))


def test_the_tests_of_a_fault_are_there():
    named = {row: [name.split("::") for name in ROWS[row].split()] for row in ROWS}
    assert [row for row, names in named.items() if not names] == []
    assert [
        f"{row}: {file}::{function}"
        for row, names in named.items()
        for file, function in names
        if f"test_{function}" not in functions_of(file)
    ] == []


GONE = {"C33", "T11", "T14"}  # no such number; documented only; shown by the file modes of data_dir


@pytest.mark.parametrize(
    ("letter", "first", "last"),
    [
        ("M", 1, 10),
        ("D", 1, 5),
        ("A", 1, 5),
        ("P", 1, 1),
        ("W", 1, 7),
        ("R", 1, 7),
        ("B", 8, 24),
        ("C", 24, 37),
        ("T", 1, 15),
        ("U", 1, 15),
    ],
)
def test_no_fault_is_left_out(letter, first, last):
    found = {row.split()[0] for row in ROWS}
    assert {f"{letter}{number}" for number in range(first, last + 1)} - GONE - found == set()
    assert {"L1", "L3", "B20b"} <= found
