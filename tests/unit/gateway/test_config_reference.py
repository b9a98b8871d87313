"""docs/configuration.md says what the model says."""

from __future__ import annotations

from pathlib import Path

from gateway.config import Config
from gateway.config.reference import reference, rewritten
from gateway.config.sources import variables_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"


def test_the_reference_in_the_docs_is_the_models() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert reference() in page, "stale: run `manage.py config_reference --write`"
    assert rewritten(page) == page


def test_every_variable_and_a_description_of_its_key_is_in_the_reference() -> None:
    text = reference()
    for variable, path, field in variables_of(Config):
        assert f"`{variable}`" in text
        assert field.description, path
