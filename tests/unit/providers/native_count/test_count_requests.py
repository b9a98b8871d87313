"""What is sent to count a prompt: the call's own body without what is no part of the prompt, in each vendor's form."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from providers.model_facts import ModelFacts
from providers.native_count.requests import TokenCount, count_for
from providers.target import Secret, Target

HI = [{"role": "user", "content": "Hi"}]
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "tools": [], "systemInstruction": {}}


def target(provider: str, vendor: str = "", model: str = "m", **more: Any) -> Target:
    return Target(
        id=1, alias="a", name="d", provider=provider, upstream_model=model, base_url="https://h",
        secret=Secret("s"), facts=ModelFacts(vendor=vendor), **more,
    )  # fmt: skip


def way(api: str, at: Target) -> TokenCount:
    found = count_for(api, at)
    assert found is not None
    return found


def sent(api: str, at: Target, body: dict[str, Any]) -> Any:
    return json.loads(way(api, at).body(json.dumps(body).encode(), at))


@pytest.mark.parametrize("provider", ["anthropic", "azure"])
def test_messages_lose_what_is_no_prompt(provider: str) -> None:
    kept = {"model": "m", "messages": HI, "system": "s", "thinking": {"type": "adaptive"}, "new_member": 1}
    at = target(provider)
    body = {**kept, "max_tokens": 0, "stream": True, "metadata": {}, "temperature": 0, "stop_sequences": [""]}
    assert sent("anthropic_messages", at, body) == kept
    assert way("anthropic_messages", at).path == "messages/count_tokens"


def test_bytes_stay_where_nothing_is_left_out() -> None:
    raw, at = b'{"model": "m",\n "messages":[]}', target("anthropic")
    assert way("anthropic_messages", at).body(raw, at) is raw


def test_claude_at_vertex_is_named_in_the_body() -> None:
    at = target("vertex", "anthropic", "anthropic/claude-sonnet-4-5@20250929")
    body = {"anthropic_version": "vertex-2023-10-16", "messages": HI}
    assert sent("anthropic_messages", at, {**body, "max_tokens": 5}) == {
        **body,
        "model": "claude-sonnet-4-5@20250929",
    }
    assert way("anthropic_messages", at).path == "count-tokens:rawPredict"


@pytest.mark.parametrize("cap", [{}, {"max_tokens": 7}])
def test_claude_by_invoke_is_counted_with_the_whole_body(cap: dict[str, int]) -> None:
    at, body = target("bedrock", "anthropic"), {"anthropic_version": "bedrock-2023-05-31", "messages": HI}
    inner = sent("anthropic_messages", at, body | cap)["input"]["invokeModel"]["body"]
    assert json.loads(base64.b64decode(inner)) == body | (cap or {"max_tokens": 1})


def test_converse_keeps_the_members_of_its_count() -> None:
    kept = {"system": [], "messages": [], "toolConfig": {}, "additionalModelRequestFields": {"thinking": {}}}
    at = target("bedrock", "anthropic")
    body = {**kept, "inferenceConfig": {"maxTokens": 5}, "serviceTier": {"type": "flex"}}
    assert sent("bedrock_converse", at, body) == {"input": {"converse": kept}}


def test_only_claude_is_counted_by_converse() -> None:
    assert count_for("bedrock_converse", target("bedrock", "amazon")) is None


def test_gemini_is_counted_in_the_form_of_its_place() -> None:
    config = {"generationConfig": {"maxOutputTokens": 5}}
    body = {**GEMINI, **config, "safetySettings": [], "labels": {}, "toolConfig": {}}
    of_project = target("vertex", metadata={"gcp_project_id": "p"})
    assert sent("gemini", of_project, body) == {**GEMINI, **config}
    of_key = msgspec.structs.replace(
        target("vertex", model="models/gemini-3-pro"),
        secret=Secret("AIza-key"),
        base_url="https://generativelanguage.googleapis.com",
    )
    assert sent("gemini", of_key, body) == {
        "generateContentRequest": {"model": "models/gemini-3-pro", **body}
    }


def test_an_input_loses_what_is_no_prompt() -> None:
    kept = {"model": "m", "input": "Hi", "instructions": "", "tools": [], "text": {}, "reasoning": {}}
    body = {
        **kept,
        "store": False,
        "stream": True,
        "max_output_tokens": 5,
        "prompt_cache_key": "k",
        "include": [],
    }
    assert sent("openai_responses", target("openai"), body) == kept


@pytest.mark.parametrize("api", ["openai_chat", "openai_completions", "openai"])
def test_other_apis_cannot_count(api: str) -> None:
    assert count_for(api, target("openai")) is None


@pytest.mark.parametrize(
    ("api", "provider", "answer"),
    [
        ("anthropic_messages", "anthropic", {"input_tokens": 17}),
        (
            "anthropic_messages",
            "anthropic",
            {"input_tokens": 3, "context_management": {"original_input_tokens": 17}},
        ),
        ("anthropic_messages", "bedrock", {"inputTokens": 17}),
        ("bedrock_converse", "bedrock", {"inputTokens": 17}),
        ("gemini", "vertex", {"totalTokens": 17, "promptTokensDetails": []}),
        ("openai_responses", "openai", {"object": "response.input_tokens", "input_tokens": 17}),
    ],
)
def test_the_number_is_the_largest_that_is_stated(api: str, provider: str, answer: dict[str, Any]) -> None:
    how = way(api, target(provider, "anthropic"))
    assert how.read(json.dumps(answer).encode()) == 17
    with pytest.raises(msgspec.DecodeError):
        how.read(b"{}")
