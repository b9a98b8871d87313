"""Files have at most 300 lines and functions at most 40, so that a reader can read them at once."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

import pytest

from tests.support.sources import SOURCES, is_ours, name_of, text_of

FILE, FUNCTION = 300, 40
LISTS = {  # declarations one below the other, which no reader wants in pieces
    "gateway/observability/metrics.py": {"__init__"},
    "metering/ledger/write.py": {"_row"},
}


HEAD = re.compile(r"^( *)(async def|def|class)\b", re.MULTILINE)
QUOTED = re.compile(r'"""(?:[^\\]|\\.)*?"""', re.DOTALL)


class Read(NamedTuple):
    """What is looked at in a file."""

    lines: int
    long: set[str]  # functions that are too long and no lists
    says_what_it_owns: bool


def read(name: str, text: str) -> Read:
    says_what_it_owns = not text or text.startswith('"""')
    long = long_functions(text) if may_be_long(text) else set()
    return Read(len(text.splitlines()), long - LISTS.get(name, set()), says_what_it_owns)


def long_functions(text: str) -> set[str]:
    every = (
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {node.name for node in every if (node.end_lineno or 0) - node.lineno >= FUNCTION}


def may_be_long(text: str) -> bool:
    """Say whether a file must be parsed: a function ends before the next head that is indented no more than its own.

    Heads in texts of several lines would seem to end it too early: such a file is parsed.
    """
    if text.count("\n") < FUNCTION:
        return False
    if any(HEAD.search(quoted) for quoted in QUOTED.findall(text)):
        return True
    open_heads: list[tuple[int, int, str]] = []  # line, indentation, keyword; each deeper than the one before
    heads = [(text.count("\n", 0, found.start()), len(found[1]), found[2]) for found in HEAD.finditer(text)]
    for line, indentation, keyword in (*heads, (text.count("\n") + 1, 0, "")):
        while open_heads and open_heads[-1][1] >= indentation:
            start, _, kind = open_heads.pop()
            if kind != "class" and line - start > FUNCTION:
                return True
        open_heads.append((line, indentation, keyword))
    return False


@pytest.fixture(scope="module")
def files() -> dict[str, Read]:
    return {name_of(path): read(name_of(path), text_of(path)) for path in SOURCES}


def test_files_are_short(files):
    assert {name: file.lines for name, file in files.items() if file.lines > FILE} == {}


def test_their_functions_are_short(files):
    assert {name: file.long for name, file in files.items() if file.long} == {}


def test_every_module_says_what_it_owns(files):
    ours = [name_of(path) for path in SOURCES if is_ours(path)]
    assert [name for name in ours if not files[name].says_what_it_owns] == []


def test_long_functions_and_missing_docstrings_are_found():
    lines = ["def outer():", "    class Inside:", "        async def inner():", *["            1"] * FUNCTION]
    assert read("any.py", "\n".join(lines)) == (3 + FUNCTION, {"outer", "inner"}, False)
    assert read("any.py", "\n".join(lines[:-1])).long == {"outer"}
    assert read("any.py", "\n".join(lines[:-3])).long == set()


def test_a_function_with_code_in_a_text_is_parsed():
    lines = ["def outer():", '    text = """', "def inner():", *["    1"] * FUNCTION, '    """']
    assert read("any.py", "\n".join(lines)).long == {"outer"}
