"""docs/glossary.md and the recipes of CONTRIBUTING.md name things by the names that the code has."""

from __future__ import annotations

import re

import pytest

from tests.support.sources import ROOT

PAGE = ROOT / "docs" / "glossary.md"
NAMED = re.compile(r"\[`(\w+)`\]\(\.\./([\w/]+\.py)\)")


@pytest.mark.parametrize(("name", "file"), NAMED.findall(PAGE.read_text()))
def test_the_name_is_in_the_file(name, file):
    assert re.search(rf"\b{name}\b", (ROOT / file).read_text())


def test_each_word_is_defined_once():
    words = [
        word.strip()
        for line in PAGE.read_text().partition("## Say")[0].splitlines()
        if line.startswith("| ") and not line.startswith("| word |")
        for word in line.split("|")[1].split(",")
    ]
    assert sorted(set(words)) == sorted(words)


RECIPES = (ROOT / "CONTRIBUTING.md").read_text().partition("## Add a provider")[2]
# `Name` in [file](file), or several: `_override` and `_default` in [file](file)
PLACED = re.compile(r"((?:`[A-Za-z_]\w*`[^`\[\]]{1,60}?)+)\[[^\]]+\]\(([\w/]+\.py)\)")


def test_the_names_of_the_recipes_are_in_their_files():
    found = [
        (name, file) for names, file in PLACED.findall(RECIPES) for name in re.findall(r"`(\w+)`", names)
    ]
    assert len(found) > 30
    missing = [pair for pair in found if not re.search(rf"\b{pair[0]}\b", (ROOT / pair[1]).read_text())]
    assert missing == []
