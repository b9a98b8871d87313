"""Each fault that was found by attack has tests, and none of them goes or is renamed unnoticed (tests/faults.py)."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests import client_faults, faults
from tests.faults_of_operators import OPERATORS
from tests.sources import ROOT

ROWS = faults.ROWS | client_faults.ROWS | OPERATORS


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the tests of a file, also those in classes."""
    folder, _, name = file.rpartition("/")
    tree = ast.parse((ROOT / "tests" / folder / f"test_{name}.py").read_text())
    every = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in every)


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_fault_are_there(row):
    named = [name.split("::") for name in ROWS[row].split()]
    assert named
    assert [
        f"{file}::{function}" for file, function in named if f"test_{function}" not in functions_of(file)
    ] == []


@pytest.mark.parametrize(("letter", "last"), {"M": 10, "D": 5, "A": 7, "P": 1, "W": 7, "R": 7}.items())
def test_no_fault_is_left_out(letter, last):
    found = {row.split()[0] for row in ROWS}
    assert {f"{letter}{number}" for number in range(1, last + 1)} <= found
    assert {"L1", "L3"} <= found
