"""The vendored facts: complete, dated, the same by every name of a model, and different where platforms differ."""

from __future__ import annotations

import re

import pytest

from catalog.facts.defaults import PATH, as_facts, known_models, load, lookup, stated
from catalog.models import Provider
from providers.model_facts import UNKNOWN_MODEL, ModelFacts

PLATFORMS = [provider.value for provider in Provider]


def test_the_file_says_what_it_is_and_every_row_is_facts():
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", load().as_of)
    assert PATH.stat().st_size < 100_000
    for name, known in known_models().items():
        facts = as_facts(known.everywhere)
        assert facts.vendor, name
        for platform, own in known.platforms.items():
            assert platform in PLATFORMS, name
            as_facts({**known.everywhere, **own})
        names = {*ModelFacts.__struct_fields__}
        assert set(known.everywhere) | {key for own in known.platforms.values() for key in own} <= names, name


def test_no_two_models_have_the_same_name_and_each_note_names_a_fact():
    rows = load().models
    names = [each for name, row in rows.items() for each in (name, *row.get("also", ()))]
    assert len(names) == len(set(names))
    assert names == [name.lower() for name in names]
    facts = {*ModelFacts.__struct_fields__, "name"}
    noted = {note.rpartition(".")[2] for row in rows.values() for note in row.get("unconfirmed", ())}
    assert noted <= facts
    assert {row["of"] for row in rows.values()} == set(load().families)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("anthropic", "claude-sonnet-5-5"),
        ("azure", "claude-sonnet-5-5"),
        ("bedrock", "anthropic.claude-sonnet-5-5"),
        ("bedrock", "eu.anthropic.claude-sonnet-5-5"),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-sonnet-5-5"),
        ("vertex", "claude-sonnet-5-5@default"),
    ],
)
def test_claude_thinks_by_the_same_rules_on_every_platform(provider: str, name: str):
    facts = lookup(provider, name)
    assert (facts.vendor, facts.thinking, facts.sampling) == ("anthropic", "between_tools", "none")
    assert not facts.prefill
    assert not facts.forced_tool_choice
    assert facts.strict_tools is (provider in {"anthropic", "azure"})


RULES = {  # thinking, sampling, prefill, a system message later
    "claude-haiku-4-5": ("budget", "exclusive", True, False),
    "claude-opus-4-5-20251101": ("budget", "exclusive", True, False),
    "claude-sonnet-4-6": ("adaptive", "exclusive", False, False),
    "claude-opus-4-7": ("adaptive", "none", False, False),
    "claude-opus-4-8": ("adaptive", "none", False, True),
    "claude-opus-5": ("adaptive", "none", False, True),
    "claude-haiku-5-5": ("adaptive", "none", False, True),
    "claude-opus-5-5": ("always", "none", False, True),
    "claude-fable-5-1": ("always", "none", False, True),
    "claude-mythos-5-1": ("always", "none", False, True),
}


@pytest.mark.parametrize("model", RULES)
def test_the_rules_of_claude(model: str):
    facts = lookup("anthropic", model)
    found = (facts.thinking, facts.sampling, facts.prefill, facts.system_in_messages)
    assert found == RULES[model]
    assert facts.forced_tool_choice is (facts.thinking != "always")
    assert facts.json_schema == "native"
    assert facts.max_output_tokens
    assert facts.context_window


def test_only_newer_models_of_openai_take_tools_by_responses_alone():
    needing = {
        name
        for name in (
            "gpt-4.1",
            "gpt-4o",
            "gpt-5",
            "gpt-5.5",
            "gpt-5.6",
            "gpt-6",
            "gpt-6-astra",
            "gpt-6.1-sol",
        )
        if lookup("openai", name).tools_need_responses
    }
    assert needing == {"gpt-5.6", "gpt-6", "gpt-6-astra", "gpt-6.1-sol"}
    assert "none" in lookup("openai", "gpt-5.6").effort
    assert "none" not in lookup("azure", "gpt-6.1-sol-2026-09-29").effort
    assert lookup("openai", "o3").sampling == "default_only"


def test_the_rules_of_the_others():
    assert lookup("vertex", "gemini-2.5-flash").thinking == "budget"
    assert lookup("vertex", "gemini-3-pro-preview").effort == ("low", "high")
    assert lookup("vertex", "gemini-3-pro-image").image_sizes == ("1K", "2K", "4K")
    assert lookup("bedrock", "us.amazon.nova-micro-v1:0").vision is False
    assert lookup("bedrock", "amazon.titan-embed-text-v2:0").embedding_dimensions == (256, 512, 1024)
    assert lookup("bedrock", "amazon.titan-embed-text-v1").embedding_dimensions == (1536,)
    assert lookup("bedrock", "global.cohere.embed-v4:0").max_batch == 96
    assert lookup("bedrock", "us.meta.llama3-3-70b-instruct-v1:0").forced_tool_choice is False
    assert lookup("openai", "text-embedding-3-small").max_batch == 2048


def test_of_weights_that_anyone_may_serve_no_limit_of_a_server_is_known():
    facts = lookup("huggingface", "openai/gpt-oss-120b:groq")
    assert facts.vendor == "openai"
    assert facts.effort == ("low", "medium", "high")
    assert facts.context_window is facts.max_output_tokens is None
    assert set(stated("openai-compatible", "Qwen/Qwen3-32B")) == {"vendor", "vision"}
    assert not lookup("openai-compatible", "gpt-6-astra").tools_need_responses


def test_nothing_is_guessed_of_an_unknown_model_but_its_vendor():
    assert lookup("openai-compatible", "my-own") is not None
    assert lookup("openai-compatible", "my-own") == UNKNOWN_MODEL
    assert lookup("simulator", "gpt-6") == UNKNOWN_MODEL
    assert lookup("bedrock", "eu.anthropic.claude-opus-9") == ModelFacts(vendor="anthropic")
    assert lookup("vertex", "gemini-9-pro") == ModelFacts(vendor="google")
    assert lookup("openai", "o9-mini") == ModelFacts(vendor="openai")
    hidden = "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2"
    assert lookup("bedrock", hidden) == UNKNOWN_MODEL
