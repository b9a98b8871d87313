"""docs/configuration.md says what the model says."""

from __future__ import annotations

from pathlib import Path

from gateway.config import Config
from gateway.config.no_effect import UNBUILT, unbuilt
from gateway.config.reference import reference, rewritten
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


def test_defaults_are_written_as_the_file_has_them() -> None:
    assert "| `0s` |" in rows()["server.prestop_delay"]
    assert "| `2m` |" in rows()["health.cooldown"]
    assert "|  |" in rows()["model_catalog[].modalities"]


def test_reference_says_how_an_endpoint_is_written_and_when_probes_run() -> None:
    assert "including `/v1`" in rows()["model_catalog[].endpoint"]
    assert "provider: openai-compatible" in PAGE.read_text(encoding="utf-8")
    operations = PAGE.with_name("operations.md").read_text(encoding="utf-8")
    assert f"{FIRST_PROBE_S:g} s after it started" in operations.partition("## Probes")[2]
