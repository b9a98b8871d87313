"""docs/headers.md has every header that the gateway reads or writes on /v1, and no other of its own."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.support.sources import ROOT, SOURCES, is_ours, name_of, text_of, tree_of

PAGE = ROOT / "docs" / "headers.md"
NOT_ON_V1 = ("gateway/site/",)  # pages and probes of the ordinary site
READERS = {"header", "values"}  # methods of V1Request
NAME = re.compile(rb"[a-z0-9]+(-[a-z0-9]+)*")


def sources():
    """Return the modules of the gateway, and the one that reads keys."""
    for path in SOURCES:
        name = name_of(path)
        is_read = (
            name.startswith("gateway/") and not name.startswith(NOT_ON_V1)
        ) or name == "tenants/auth.py"
        if is_read and 'b"' in text_of(path):
            assert is_ours(path)
            yield path


def names_in(tree):
    """Return the header names of a module: pairs of bytes, what is asked of a request, and all that begin with x-."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and node.value.startswith(b"x-"):
            found.add(node.value)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            found |= {bytes_of(node.elts[0])}
        elif isinstance(node, ast.Call) and node.args and is_reader(node.func):
            found |= {bytes_of(node.args[0])}
    return {name.decode() for name in found if NAME.fullmatch(name)}


def is_reader(function):
    """Say whether its first argument is the name of a header of the request."""
    if not isinstance(function, ast.Attribute):
        return False
    return function.attr in READERS or ast.unparse(function.value).endswith("raw_headers")


def bytes_of(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, bytes) else b""


@cache
def in_the_program():
    return {name for path in sources() for name in names_in(tree_of(path))}


def on_the_page():
    cells = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {name.lower() for cell in cells for name in re.findall(r"`([A-Za-z0-9-]+)`", cell)}


def test_every_header_of_the_program_is_on_the_page():
    assert in_the_program() - on_the_page() == set()


def test_the_page_has_no_header_of_ours_that_is_gone():
    ours = {name for name in on_the_page() if name.startswith(("x-", "idempotency-"))}
    assert ours - in_the_program() == set()


def test_names_are_found_where_they_are_read_and_written():
    source = 'pairs = [(b"x-new", b"1"), (b"vary", b"2")]\nrequest.header(b"accept")\nraw_headers.get(b"te")'
    assert names_in(ast.parse(source)) == {"x-new", "vary", "accept", "te"}
