"""A script is joined with what it includes: each file once, after what it needs itself."""

from __future__ import annotations

import pytest

from budgets.redis.client.includes import IncludeError, includes_of, joined


def test_what_a_script_includes_comes_before_it_and_only_once():
    texts = {
        "script": '--- @include "lib/both"\n--- @include "lib/one"\nreturn both()\n',
        "lib/both": '--- @include "lib/one"\n--- @include "lib/two"\nlocal both = one + two\n',
        "lib/one": "local one = 1\n",
        "lib/two": '--- @include "lib/one"\nlocal two = one + 1\n',
        "lib/other": "local other = 0\n",
    }
    assert joined("script", texts).split("\n\n") == [
        "local one = 1",
        "local two = one + 1",
        "local both = one + two",
        "return both()\n",
    ]


def test_includes_may_stand_below_a_header():
    text = '--[[\n  What it does.\n]]\n--- @include "lib/one"\nreturn one\n'
    assert includes_of(text) == ["lib/one"]
    assert joined("script", {"script": text, "lib/one": "local one = 1\n"}) == (
        "local one = 1\n\n--[[\n  What it does.\n]]\nreturn one\n"
    )


def test_a_circle_is_refused():
    texts = {
        "script": '--- @include "a"\n',
        "a": '--- @include "b"\n',
        "b": '--- @include "c"\n',
        "c": '--- @include "b"\n',
    }
    with pytest.raises(IncludeError, match="a circle: b -> c -> b"):
        joined("script", texts)
    with pytest.raises(IncludeError, match="a circle: self -> self"):
        joined("self", {"self": '--- @include "self"\n'})


def test_an_unknown_name_is_refused():
    with pytest.raises(IncludeError, match='script includes "lib/gone", which is not there'):
        joined("script", {"script": '--- @include "lib/gone"\n'})
    with pytest.raises(IncludeError, match='no script includes "gone"'):
        joined("gone", {})


@pytest.mark.parametrize("line", ["--- @include", "--- @include lib/a", '--- @include "lib/a" and "lib/b"'])
def test_an_include_without_a_name_in_quotes_is_refused(line):
    with pytest.raises(IncludeError, match="needs a name in quotes"):
        includes_of(f"{line}\nreturn 1\n")


def test_other_comments_are_no_includes():
    assert includes_of('-- @include "lib/a"\n--- @includes "lib/a"\nlocal a = \'--- @include "a"\'\n') == []
