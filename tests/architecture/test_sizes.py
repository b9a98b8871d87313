"""Files of at most 300 lines, functions of at most 40: what one person reads at once."""

from __future__ import annotations

import ast
from typing import NamedTuple

import pytest

from tests.support.sources import SOURCES, is_ours, name_of

FILE, FUNCTION = 300, 40
LISTS = {  # declarations one below the other, which no reader wants in pieces
    "gateway/observability/metrics.py": {"__init__"},
    "metering/ledger/write.py": {"_row"},
}


class Read(NamedTuple):
    """What is looked at in a file: the tree itself is large."""

    lines: int
    long: set[str]  # functions that are too long and no lists
    says_what_it_owns: bool


def read(name: str, text: str) -> Read:
    tree = ast.parse(text)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {node.name for node in functions if (node.end_lineno or 0) - node.lineno >= FUNCTION}
    says_what_it_owns = not text or ast.get_docstring(tree) is not None
    return Read(len(text.splitlines()), long - LISTS.get(name, set()), says_what_it_owns)


@pytest.fixture(scope="module")
def files() -> dict[str, Read]:
    return {name_of(path): read(name_of(path), path.read_text()) for path in SOURCES}


def test_files_are_short(files):
    assert {name: file.lines for name, file in files.items() if file.lines > FILE} == {}


def test_their_functions_are_short(files):
    assert {name: file.long for name, file in files.items() if file.long} == {}


def test_every_module_says_what_it_owns(files):
    ours = [name_of(path) for path in SOURCES if is_ours(path)]
    assert [name for name in ours if not files[name].says_what_it_owns] == []


def test_what_is_long_or_silent_is_found():
    lines = ["def outer():", "    class Inside:", "        async def inner():", *["            1"] * FUNCTION]
    assert read("any.py", "\n".join(lines)) == (3 + FUNCTION, {"outer", "inner"}, False)
    assert read("any.py", "\n".join(lines[:-1])).long == {"outer"}
    assert read("any.py", "\n".join(lines[:-3])).long == set()
