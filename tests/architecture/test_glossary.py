"""docs/glossary.md names things by the names that the code has."""

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
