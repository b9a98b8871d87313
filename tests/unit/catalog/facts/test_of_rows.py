"""Which source of a fact goes first: the row, its vendor's page, the price map, the vendored defaults."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from catalog.facts.of_rows import (
    NAMES,
    PAGE,
    RowFacts,
    facts_of_row,
    known_facts,
    permitted_modalities,
    wrong_facts,
)
from gateway.config.sections.model_facts import Facts
from providers.model_facts import ModelFacts


def row(**more: Any) -> RowFacts:
    return RowFacts(**{"provider": "anthropic", "upstream_model": "claude-haiku-4-5", **more})


def test_each_source_yields_to_the_one_before_it():
    assert facts_of_row(row()).max_output_tokens == 64_000
    assert facts_of_row(row(listed_output=5)).max_output_tokens == 5
    assert facts_of_row(row(listed_output=5, found={"max_output_tokens": 6})).max_output_tokens == 6
    by_alias = row(found={"max_output_tokens": 6}, max_output_tokens=7)
    assert facts_of_row(by_alias).max_output_tokens == 7
    own = row(max_output_tokens=7, written={"max_output_tokens": 8})
    assert facts_of_row(own).max_output_tokens == 8
    window = row(context_window=10, written={"context_window": 9}, found={"context_window": 8})
    assert facts_of_row(window).context_window == 10


def test_false_and_empty_are_facts():
    facts = facts_of_row(row(written={"forced_tool_choice": False, "effort": [], "thinking": "none"}))
    assert facts.forced_tool_choice is False
    assert facts.effort == ()
    assert facts.thinking == "none"


def test_the_publisher_is_the_vendor_and_bounds_of_pages_are_no_facts_of_the_api():
    facts = facts_of_row(row(publisher="google", written={"vendor": "openai", PAGE: 900}))
    assert facts.vendor == "google"
    assert PAGE not in known_facts(row(written={PAGE: 900}))


def test_modalities_of_the_row_decide_what_it_sees_and_hears():
    facts = facts_of_row(row(modalities=("text", "audio"), written={"vision": True}))
    assert (facts.vision, facts.audio_in) == (False, True)


def test_a_model_is_spared_what_it_is_known_not_to_take():
    llama = known_facts(RowFacts(provider="bedrock", upstream_model="meta.llama3-3-70b-instruct-v1:0"))
    assert permitted_modalities(llama) == frozenset({"text"})
    assert permitted_modalities(known_facts(row())) == frozenset({"text", "image"})
    gemini = known_facts(RowFacts(provider="vertex", upstream_model="gemini-3-flash"))
    assert permitted_modalities(gemini) is None
    assert permitted_modalities(known_facts(row(upstream_model="unknown"))) is None


def test_the_file_of_configuration_has_every_fact():
    assert set(Facts.model_fields) == set(NAMES)
    assert set(get_type_hints(ModelFacts)) <= set(NAMES)
    everything = {
        "vendor": "openai", "sampling": "free", "thinking": "level", "effort": ["low"], "json_schema": "tool",
        "embedding_dimensions": [256], "image_sizes": ["1K"], "shutdown_date": "2027-01-14", "vision": False,
        **dict.fromkeys(("context_window", "max_output_tokens", "max_batch", "image_max_tokens", PAGE), 5),
        "max_tokens_per_second": 9,
    }  # fmt: skip
    written = Facts.model_validate(everything).model_dump(mode="json", exclude_none=True)
    assert written == everything
    assert wrong_facts(written) == ""


@pytest.mark.parametrize(
    "facts",
    [
        {"sampling": "hot"},
        {"thinking": 3},
        {"effort": "low"},
        {"max_batch": True},
        {"max_batch": 1.5},
        None,
        7,
    ],
)
def test_wrong_facts_are_refused_with_a_reason(facts: object):
    assert wrong_facts(facts)
