"""Files of at most 300 lines, functions of at most 40: what one person reads at once."""

from __future__ import annotations

import ast

import pytest

from tests.sources import SOURCES, is_ours, name_of

FILE, FUNCTION = 300, 40
LISTS = {  # declarations one below the other, which no reader wants in pieces
    "gateway/metrics.py": {"__init__"},
    "metering/ledger.py": {"_row"},
}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_short(path):
    assert len(path.read_text().splitlines()) <= FILE


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_its_functions_are_short(path):
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    long = {node.name for node in functions if (node.end_lineno or 0) - node.lineno >= FUNCTION}
    assert long - LISTS.get(name_of(path), set()) == set()


def test_every_module_says_what_it_owns():
    silent = [
        name_of(path)
        for path in SOURCES
        if is_ours(path) and path.read_text() and ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []
