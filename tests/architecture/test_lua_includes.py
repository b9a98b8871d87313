"""Every Lua file of admission includes what it uses itself, and nothing else; every function of lib is used."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from budgets.redis.client.includes import includes_of, joined, without_includes
from budgets.redis.client.scripts import read_sources

SOURCES = read_sources()
LIB = sorted(name for name in SOURCES if "/" in name)
SCRIPTS = sorted(set(SOURCES) - set(LIB))
MOST_LINES = 110
SILENT = re.compile(r"--\[\[.*?\]\]|--[^\n]*|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
DEFINED = re.compile(r"^local (?:function (\w+)|((?:\w+,\s*)*\w+))", re.MULTILINE)
USED = re.compile(r"(?<![.\w:])[A-Za-z_]\w*")


def code_of(text: str) -> str:
    """Return it without comments and strings."""
    return SILENT.sub(" ", without_includes(text))


def defined_by(text: str) -> set[str]:
    """Return the names that a file gives to those that include it: the locals at its top level."""
    found = DEFINED.findall(code_of(text))
    return {name.strip() for function, names in found for name in (function or names).split(",")}


def wrong_includes(name: str, sources: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Return what a file uses and does not include, and what it includes and does not use."""
    owners = {each: lib for lib in sources if "/" in lib and lib != name for each in defined_by(sources[lib])}
    own = defined_by(sources[name])
    used = set(USED.findall(code_of(sources[name]))) - own
    needed = {owners[each] for each in used if each in owners}
    included = set(includes_of(sources[name]))
    return needed - included, included - needed


@pytest.mark.parametrize("name", [*SCRIPTS, *LIB])
def test_a_file_includes_what_it_uses_and_nothing_else(name):
    assert wrong_includes(name, SOURCES) == (set(), set())


@pytest.mark.parametrize("name", [*SCRIPTS, *LIB])
def test_includes_are_listed_once_and_in_order(name):
    assert includes_of(SOURCES[name]) == sorted(set(includes_of(SOURCES[name])))


def test_every_file_of_lib_is_in_a_script():
    texts = [joined(name, SOURCES) for name in SCRIPTS]
    unused = [lib for lib in LIB if not any(without_includes(SOURCES[lib]) in text for text in texts)]
    assert unused == []


def test_a_name_has_one_file():
    names = [name for lib in LIB for name in defined_by(SOURCES[lib])]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
    shadowed = {name: defined_by(SOURCES[name]) & set(names) for name in SCRIPTS}
    assert {name: both for name, both in shadowed.items() if both} == {}


def test_a_file_of_lib_has_one_function():
    many = {lib: re.findall(r"^local function (\w+)", SOURCES[lib], re.MULTILINE) for lib in LIB}
    assert {lib: names for lib, names in many.items() if len(names) > 1} == {}
    assert all(names[0] == lib.rpartition("/")[2] for lib, names in many.items() if names and lib != TENANT)


TENANT = "lib/tenant/tenant"  # the state of the tenant, and the one function that changes it


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_its_keys_arguments_replies_and_effects(name):
    header = SOURCES[name].partition("]]")[0]
    assert header.startswith("--[[\n")
    assert [
        word for word in ("Called by", "KEYS[1]", "ARGV[1]", "Reply:", "Effects") if word not in header
    ] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_describes_each_argument_that_it_names(name):
    header, _, text = SOURCES[name].partition("]]")
    listed = [int(number) for number in re.findall(r"^    \[(\d+)\] ", header, re.MULTILINE)]
    named = re.search(r"^local (.+) = unpack\(arg, 4\)$", text, re.MULTILINE)
    count = len(named[1].split(",")) if named else len(re.findall(r"\barg\[[4-9]", text))
    assert listed == list(range(4, 4 + count))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_describes_each_status_that_it_replies(name):
    header, _, text = SOURCES[name].partition("]]")
    replied = set(re.findall(r"reply(?:_with_readings)?\((?:is_open and )?'(\w+)'", text))
    replied |= set(re.findall(r" or '(\w+)', ", text))
    if name == "release_worker":  # its word is not one of the glossary
        return
    assert set(re.findall(r'^    "(\w+)" +\{', header, re.MULTILINE)) >= replied


@pytest.mark.parametrize("name", [*SCRIPTS, *LIB])
def test_a_lua_file_is_read_at_once(name):
    lines = SOURCES[name].splitlines()
    assert len(lines) <= MOST_LINES
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("name", [*SCRIPTS, *LIB])
def test_no_row_is_read_by_number(name):
    read = re.findall(r"\b(\w+)\[\d+\]", code_of(SOURCES[name]))
    assert [row for row in read if row not in ("KEYS", "ARGV", "arg")] == []


def test_wrong_includes_are_found():
    sources = {
        "script": '--- @include "lib/a"\nlocal x = b(a) -- c\nreturn "c", x.c, y:c()\n',
        "lib/a": "local a, d = 1, 2\n",
        "lib/b": '--- @include "lib/a"\nlocal function b(n) return n end\n',
        "lib/c": "local c\nc = 3\n",
    }
    assert wrong_includes("script", sources) == ({"lib/b"}, set())
    assert wrong_includes("lib/b", sources) == (set(), {"lib/a"})
    assert wrong_includes("lib/c", sources) == (set(), set())
    assert defined_by(sources["lib/a"]) == {"a", "d"}
    assert defined_by(sources["lib/c"]) == {"c"}
