"""What is read out of a vendor's page of a model; nothing in it can break the reader."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.facts.of_rows import wrong_facts
from providers.model_pages.asking import PAGES
from providers.model_pages.readers import anthropic, azure, compatible, huggingface
from tests.support.vendors.models import CLAUDE, NO, ROUTED, YES

LISTED = {"data": [ROUTED]}


def test_the_page_of_anthropic_states_limits_rules_and_the_end():
    assert anthropic(CLAUDE, "") == {
        "context_window": 1_000_000,
        "max_output_tokens": 96_000,
        "shutdown_date": "2027-09-01",
        "vision": True,
        "documents": True,
        "thinking": "always",
        "effort": ["low", "medium", "high", "max"],
        "json_schema": "native",
    }


@pytest.mark.parametrize(
    ("types", "thinking"),
    [
        ({"enabled": YES, "adaptive": NO}, "budget"),
        ({"enabled": YES, "adaptive": YES}, "adaptive"),
        ({"adaptive": YES, "disabled": YES}, "adaptive"),
        ({"adaptive": YES, "disabled": NO}, "always"),
        ({"adaptive": YES, "between_tools": YES}, "between_tools"),
        ({"adaptive": YES}, None),
        ({}, None),
    ],
)
def test_how_claude_thinks_is_read_only_where_its_types_say_so(types: dict[str, Any], thinking: str | None):
    page = {"capabilities": {"thinking": {"supported": True, "types": types}}}
    assert (anthropic(page, "") or {}).get("thinking") == thinking
    off = {"capabilities": {"thinking": {"supported": False}}}
    assert anthropic(off, "") == {"thinking": "none"}


def test_the_router_states_the_widest_window_and_of_a_pinned_provider_its_own():
    assert huggingface(LISTED, "deepseek-ai/DeepSeek-V3.2") == {
        "context_window": 163_840,
        "vision": False,
        "audio_in": False,
    }
    assert huggingface(LISTED, "deepseek-ai/DeepSeek-V3.2:groq") == {
        "context_window": 131_072,
        "tools": True,
        "json_schema": "native",
        "vision": False,
        "audio_in": False,
    }
    pinned = huggingface(LISTED, "deepseek-ai/DeepSeek-V3.2:novita")
    assert pinned is not None
    assert pinned["json_schema"] == "none"
    assert huggingface(LISTED, "deepseek-ai/DeepSeek-V3.2:cheapest") == huggingface(
        LISTED, "deepseek-ai/DeepSeek-V3.2"
    )


def test_a_model_that_is_not_listed_has_no_facts():
    for read in (azure, compatible, huggingface):
        assert read({"data": [{"id": "other"}]}, "mine") is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    "id", "data", "capabilities", "effort", "thinking", "types", "low", "retires_at", "max_tokens", "max_input_tokens",
    "shutdown_date", "deprecation", "inference", "providers", "architecture", "input_modalities", "modelDetails",
    "inputModalities", "modelLifecycle", "endOfLifeTime", "inputTokenLimit", "max_model_len", "context_length",
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(NAMES), VALUES | st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
    ),
    st.sampled_from(sorted(PAGES)),
)
def test_any_page_gives_facts_that_a_row_may_have(document: dict[str, Any], provider: str):
    listed = {"data": [{"id": "m", **{k: v for k, v in document.items() if k != "id"}}]}
    for page in (document, listed):
        facts = PAGES[provider].read(page, "m")
        assert facts is None or not wrong_facts(facts)
