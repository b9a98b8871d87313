"""docs/configuration.md agrees with the model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gateway.config import Config
from gateway.config.errors import keys_of, section_in
from gateway.config.no_effect import UNBUILT, unbuilt, without_effect
from gateway.config.reference import GROUPS, reference, rewritten
from gateway.config.sources import variables_of
from gateway.server.background import FIRST_PROBE_S

PAGE = Path(__file__).resolve().parents[4] / "docs" / "configuration.md"


def test_the_reference_in_the_docs_is_the_models() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert reference() in page, "stale: run `manage.py config_reference --write`"
    assert rewritten(page) == page


def rows() -> dict[str, str]:
    """Return the row of every key by its path, with `[]` for each list."""
    found: dict[str, str] = {}
    section = ""
    for line in reference().splitlines():
        if line.startswith("### "):
            section = "" if line == "### Top level" else line.removeprefix("### ").strip("`") + "."
        elif line.startswith("| `"):
            found[section + line.split("`")[1]] = line
    return found


def test_every_key_that_a_variable_sets_is_in_the_reference() -> None:
    found = rows()
    for _, path, field in variables_of(Config):
        assert field.description, path
        assert ".".join(path) in found


def test_what_has_no_effect_yet_is_marked_and_nothing_else_is() -> None:
    marked = {path for path, row in rows().items() if "**No effect yet.**" in row}
    assert marked == {path for path in rows() if unbuilt(path)}
    for row in UNBUILT:
        assert [path for path in marked if path == row.path or path.startswith(f"{row.path}.")], row.path


def test_the_loader_warns_of_the_keys_that_the_reference_marks_and_of_no_other() -> None:
    for path, row in rows().items():
        value: Any = "set"
        for name in reversed(path.split(".")):
            value = {name.removesuffix("[]"): [value] if name.endswith("[]") else value}
        warned = [paths for paths, _ in without_effect(value)]
        assert warned == ([path] if "**No effect yet.**" in row else []), path


def test_the_index_has_every_section_once_and_leads_to_it() -> None:
    sections = [name for name, field in keys_of(Config).items() if section_in(field.annotation)]
    assert sorted(name for _, names in GROUPS for name in names) == sorted(sections)
    text = reference()
    headings = re.findall(r"^### (.+)$", text, re.MULTILINE)
    links = re.findall(r"\[([^]]+(?:\[\])?[^]]*)\]\(#([\w-]+)\)", text)
    assert [title for title, _ in links] == [title for title in headings if title in dict(links)]
    assert {title.split(".")[0].strip("`[]") for title, _ in links} == {"Top level", *sections}
    assert {anchor for _, anchor in links} <= {
        re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in headings
    }


def test_sections_that_are_not_built_come_last() -> None:
    whole = {row.path for row in UNBUILT if row.path in keys_of(Config)}
    assert set(GROUPS[-1][1]) == whole


def test_defaults_are_written_as_the_file_has_them() -> None:
    assert "| `0s` |" in rows()["server.prestop_delay"]
    assert "| `2m` |" in rows()["health.cooldown"]
    assert "|  |" in rows()["model_catalog[].modalities"]


def test_reference_says_how_an_endpoint_is_written_and_when_probes_run() -> None:
    assert "including `/v1`" in rows()["model_catalog[].endpoint"]
    assert "provider: openai-compatible" in PAGE.read_text(encoding="utf-8")
    operations = PAGE.with_name("operations.md").read_text(encoding="utf-8")
    assert f"{FIRST_PROBE_S:g} s after it started" in operations.partition("## Probes")[2]
