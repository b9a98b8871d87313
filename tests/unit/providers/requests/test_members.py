"""K1: every member of a request is in the table, or bounded by the whole context window, or refused."""

from __future__ import annotations

import json

import pytest

from budgets.admission.unbounded_requests import (
    AgainstCap,
    FeatureUnpriced,
    Unbounded,
    check_bounded,
    check_cap,
)
from catalog.pricing.prices import PriceSheet
from gateway.parsing.schemas import peek_chat, peek_embeddings
from providers.requests import chat, embeddings
from providers.requests.money_classes import Money, Unacceptable

SHEET = PriceSheet(input=10**9, output=2 * 10**9)


def demand(**members):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return peek_chat(json.dumps(body).encode()).demand


@pytest.mark.parametrize(
    "members",
    [
        {"models": ["dear"], "route": "fallback"},  # M7
        {"plugins": [{"id": "web"}]},  # M7
        {"data_sources": [{"type": "azure_search"}]},  # M7
        {"api_base": "http://elsewhere/v1"},
        {"provider": {"order": ["dear"]}},
        {"fallbacks": ["dear"]},
        {"previous_response_id": "resp_of_another_tenant"},
        {"extra_headers": {"authorization": "Bearer x"}},
        {"thread_id": "thread_of_another_tenant"},
        {"cached_content": "cachedContents/1"},
        {"audio": {"voice": {"id": "voice_of_another_tenant"}}},
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}]},
        {"preset": "dear"},
        {"deferred": True},
        {"kv_transfer_params": {"remote_host": "elsewhere"}},
        {"bootstrap_host": "elsewhere"},
        {"lora_path": "/of/another/tenant"},
        {"adapter_id": "of-another-tenant"},
        {"vertex_project": "elsewhere"},
    ],
)
def test_where_a_call_goes_only_the_gateway_decides(members):
    with pytest.raises(Unacceptable) as refused:
        demand(**members)
    assert refused.value.param in members


OBJECTS = [
    {"agent_id": "agent-1"},
    {"Knowledge-Base-IDs": ["kb-1"]},
    {"prompt": {"id": "pmpt_1", "version": "2"}},
    {"tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}}},
    {"attachments": [{"file_id": "file-1", "tools": []}]},
    {"attachments": [{"id": "att-1"}]},
    {"references": [[{"documentId": "d"}]]},
    {"some_new_member": {"inputFileId": "file-1"}},
    {"some_new_member": {"file_id": "file-1", "kind": 1}},
    {"voice_ids": ["v"]},
]


@pytest.mark.parametrize("members", OBJECTS, ids=str)
def test_an_unknown_member_names_no_object_of_the_shared_account(members):
    """M6: neither at the top nor in a message, whatever it is called."""
    [name] = members
    with pytest.raises(Unacceptable, match="whose owner"):
        demand(**members)
    with pytest.raises(Unacceptable, match="whose owner") as refused:
        demand(messages=[{"role": "user", "content": "hi", **members}])
    assert refused.value.param == f"messages[0].{name}"
    with pytest.raises(Unacceptable, match="whose owner"):
        peek_embeddings(json.dumps({"model": "m", "input": "a", **members}).encode())


@pytest.mark.parametrize(
    "member",
    [
        '"attachments":[{"file_id":"file-1","file_id":null}]',
        '"attachments":[{"f\\u0069le_\\u0069d":"file-1"}]',
        '"attachments":[%s{"file_id":"file-1"}]' % ('{"id":1},' * 10_000),
        '"audio":{"voice":{"id":"voice-1"},"voice":"alloy"}',
        '"tools":[{"type":"file_search","filters":{"vector_store_ids":["vs_1"],"vector_store_ids":[]}}]',
    ],
    ids=["twice", "escaped", "among many", "a voice twice", "a store twice"],
)
def test_an_object_is_not_hidden_by_how_it_is_written(member):
    """M10: what is twice is refused also inside of unknown members, and of what is looked through."""
    with pytest.raises(Unacceptable):
        peek_chat(f'{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{member}}}'.encode())


@pytest.mark.parametrize(
    "members",
    [
        {"session_id": "s-1"},
        {"trace": {"id": "t-1", "span_id": "s-1"}},
        {"profile_id": "p-1"},
        {"client_metadata": {"user_id": "u-1", "id": 7}},
        {"file_format": "pdf"},
        {"attachments": []},
    ],
    ids=str,
)
def test_other_ids_name_no_stored_object(members):
    assert demand(**members).needs_window


@pytest.mark.parametrize(
    "members",
    [
        {"service_tier": "priority"},  # M7
        {"web_search_options": {"search_context_size": "high"}},  # M7
        {"tools": [{"type": "code_interpreter"}]},
        {"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search_preview"}]},
        {"search_parameters": {"mode": "on"}},
        {"web_search_options": {}},
        {"enable_search": True},
        {"service_tier": "fast"},
        {"speed": "fast"},
        {"tools": [{"google_search": {}}]},
        {"tools": [{"urlContext": {}}, {"type": "function", "function": {"name": "f"}}]},
        {"tools": [{"type": None, "codeExecution": {}}]},
        {"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]},
    ],
)
def test_a_feature_with_a_price_of_its_own_needs_that_price(members):
    with pytest.raises(FeatureUnpriced):
        check_bounded(demand(**members), [SHEET], 100_000)
    check_bounded(demand(**members), [PriceSheet(free=True)], None)


@pytest.mark.parametrize("tier", ["auto", "default", None])
def test_the_usual_tier_needs_no_price(tier):
    check_bounded(demand(service_tier=tier), [SHEET], None)


@pytest.mark.parametrize(
    "tool",
    [
        '{"type":"function","function":{"name":"f"},"strict":true}',
        '{"type":"fun\\u0063tion","function":{"name":"f"}}',
        '{"type":"custom","custom":{"name":"f"}}',
        '{"function":{"name":"f"}}',
        '{"name":"f","input_schema":{},"cache_control":{"type":"ephemeral"}}',
        '{"type":"function","function":{"name":"f"},"web_search":null}',
    ],
)
def test_a_tool_of_the_client_is_no_feature_however_it_is_written(tool):
    raw = f'{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"tools":[{tool}]}}'.encode()
    found = peek_chat(raw).demand
    assert (found.features, found.unknown, found.tools) == ((), (), True)


@pytest.mark.parametrize(
    "members",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}, "web_search": {"enable": True}}]},
        {"some_new_member": 1},
        {"vendor_options": {"deep": True}},
        {"chat_template": "{{ messages * 1000 }}"},
        {"mm_processor_kwargs": {"max_pixels": 10**9}},
        {"safe_prompt": True},
    ],
)
def test_an_unknown_member_needs_a_known_window(members):
    with pytest.raises(Unbounded) as refused:
        check_bounded(demand(**members), [SHEET], None)
    assert refused.value.param.partition(".")[0] in members
    check_bounded(demand(**members), [SHEET], 100_000)


def test_tools_that_are_read_in_full_have_a_bound():
    odd: list[dict[str, object]] = [{f"search{number}": {}} for number in range(1_025)]
    assert len(demand(tools=odd[1:]).features) == 1_024
    with pytest.raises(Unacceptable) as refused:
        demand(tools=odd)
    assert refused.value.code == "too_many_members"


def test_what_stands_against_the_cap_is_refused_by_name():
    with pytest.raises(AgainstCap) as refused:
        check_cap(demand(min_tokens=10))
    assert refused.value.param == "min_tokens"


def test_a_prediction_is_output_beyond_the_cap():
    text = "the old file " * 100
    assert demand(prediction={"type": "content", "content": text}).predicted_bytes >= len(text)


@pytest.mark.parametrize(
    "members", [{"audio": {"voice": "x"}}, {"modalities": ["text", "audio"]}, {"modalities": ["\u0061udio"]}]
)
def test_an_answer_in_sound_is_known_as_such(members):
    assert demand(**members).has_audio_output


def test_the_members_of_openai_are_no_surprise():
    plain = {
        "temperature": 0.1, "top_p": 1, "stop": ["x"], "seed": 3, "user": "u", "logprobs": True, "metadata": {"a": "b"},
        "response_format": {"type": "json_object"}, "reasoning_effort": "low", "parallel_tool_calls": False,
    }  # fmt: skip
    found = demand(**plain)
    assert not found.needs_window
    assert not found.against_cap


@pytest.mark.parametrize(
    "given",
    [
        {"input": [{"image": "http://x/y.png"}]},
        {"input": "a", "images": ["http://x"]},
        {"input": "a", "new": 1},
    ],
)
def test_embeddings_of_more_than_text_are_bounded_by_the_window(given):
    found = peek_embeddings(json.dumps({"model": "m", **given}).encode()).demand
    assert found.needs_window


def test_braces_in_texts_are_text():
    found = peek_embeddings(json.dumps({"model": "m", "input": ["{", "}{"]}).encode()).demand
    assert not found.needs_window


@pytest.mark.parametrize("given", ["a", ["a", "b"], [1, 2, 3]])
@pytest.mark.parametrize("members", [{"title": "word " * 900}, {"title": ["a"] * 900, "user": "u"}])
def test_every_text_of_an_embeddings_call_is_bounded_by_its_bytes(given, members):
    """A title goes into the prompt beside the input."""
    raw = json.dumps({"model": "m", "input": given, **members}).encode()
    found = peek_embeddings(raw).demand
    assert found.body_bytes >= len(json.dumps(given)) + len(json.dumps(members["title"]))
    assert found.body_bytes <= len(raw)


def test_no_row_both_passes_freely_and_shares_an_object():
    for table in (chat.MEMBERS, chat.MESSAGE, chat.PART, embeddings.MEMBERS):
        assert not [
            name for name, row in table.items() if row.shares and row.money in {Money.FREE, Money.TEXT}
        ]


@pytest.mark.parametrize(
    ("members", "keeps"),
    [
        ({"store": True}, "store"),
        ({"store": {"for": "30d"}}, "store"),
        ({"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
        ({"prompt_cache_retention": "30d", "store": True}, "prompt_cache_retention"),
        ({"prompt_cache_options": {"ttl": "1h"}}, "prompt_cache_options"),
        ({"prompt_cache_retention": "in_memory", "store": False}, ""),
        ({"prompt_cache_retention": None, "metadata": {"a": "b"}, "prompt_cache_key": "k"}, ""),
    ],
)
def test_what_asks_the_provider_to_keep_something_is_named(members, keeps):
    assert demand(**members).keeps == keeps
    if "store" in members and len(members) == 1:
        body = {"model": "m", "input": "a", **members}
        assert peek_embeddings(json.dumps(body).encode()).demand.keeps == keeps


@pytest.mark.parametrize(
    "members",
    [{"some_new_member": None}, {"max_new_tok": None, "agent_id": None}, {"reasoning": {"effort": "low"}}],
    ids=str,
)
def test_what_says_nothing_is_no_unknown_member(members):
    found = demand(**members)
    assert (found.needs_window, found.against_cap) == (False, ())
    given = json.dumps({"model": "m", "input": "a", **dict.fromkeys(members)}).encode()
    assert not peek_embeddings(given).demand.needs_window


@pytest.mark.parametrize("said", [["audio"], ["TEXT", "AUDIO"], "Audio", {"audio": True}])
def test_an_answer_in_sound_is_known_in_any_case_of_letters(said):
    assert demand(modalities=said).has_audio_output
