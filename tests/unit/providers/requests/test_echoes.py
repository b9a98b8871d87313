"""M6: an earlier answer that a client sends back names no object of the shared account; its rest is text."""

from __future__ import annotations

import json

import pytest

from gateway.parsing.schemas import peek_chat
from providers.requests.account_objects import refuse_echoed
from providers.requests.money_classes import Unacceptable

CITED = {
    "type": "url_citation",
    "url_citation": {"url": "https://x/a?id=1", "title": "prepaid", "start_index": 0},
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"file_id": "mine", "x": "\\u00e9"}'},
}
NAMED = [
    {"annotations": [{"file_id": "file-1"}]},
    {"annotations": [{"type": "container_file_citation", "container_file_citation": {"containerId": "c", "n": 1}}]},
    {"annotations": [CITED, {"file_citation": {"vector_store_ids": ["vs_1"]}}]},
    {"annotations": [{"type": "file", "file": {"id": "file-1"}}]},
    {"tool_calls": [CALL | {"container_id": "cntr_1"}]},
    {"tool_calls": [{"id": "fs_1", "type": "file_search", "file_search": {"results": [{"file_id": "file-1"}]}}]},
    {"function_call": {"name": "f", "file_id": "file-1"}},
    {"reasoning_details": [{"type": "reasoning.text", "id": "rs_1", "response_id": "resp_1"}]},
    {"refusal": {"file_id": "file-1"}},
]  # fmt: skip
HARMLESS = [
    {"annotations": [CITED] * 3},
    {"annotations": []},
    {"annotations": [{"file_id": None, "title": "said"}]},
    {"annotations": [{"type": "file", "file": {"hash": "a", "name": "paid", "content": [{"type": "text"}]}}]},
    {"tool_calls": [CALL] * 2},
    {"tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "x"}}}]},
    {"reasoning_details": [{"type": "reasoning.encrypted", "id": "rs_1", "data": "x" * 99_999, "index": 0}] * 3},
    {"function_call": {"name": "f", "arguments": '{"file_id": "mine"}'}},
    {"name": "file_id"},
]  # fmt: skip


def demand(message):
    return peek_chat(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "a"}, message]}).encode()
    ).demand


@pytest.mark.parametrize("members", NAMED, ids=str)
def test_an_echo_that_names_an_object_is_refused(members):
    [name] = members
    for content in ("said", None, [{"type": "text", "text": "said"}]):
        with pytest.raises(Unacceptable, match="whose owner") as refused:
            demand({"role": "assistant", "content": content, **members})
        assert refused.value.param == f"messages[1].{name}"


PICTURE = {"type": "image_url", "image_url": {"url": "https://x/page.png"}}


@pytest.mark.parametrize(
    "members",
    [
        {"annotations": [{"type": "file", "file": {"hash": "a", "content": [PICTURE]}}]},
        {"reasoning_content": [PICTURE]},
        {"reasoning_details": {"video_url": "https://x/long.mp4"}},
        {"refusal": [[{"input_audio": {"data": "https://x/long.mp3"}}]]},
        {"name": {"image_url": "https://x/page.png"}},
    ],
    ids=str,
)
def test_an_echo_that_holds_a_picture_sound_or_film_is_bounded_by_the_window(members):
    assert demand({"role": "assistant", "content": "said", **members}).needs_window
    raw = json.dumps({"role": "assistant", **members}).replace("_url", "\\u005furl")
    body = f'{{"model":"m","messages":[{{"role":"user","content":"a"}},{raw}]}}'
    assert peek_chat(body.encode()).demand.needs_window
    call = {"id": "c", "function": {"name": "f", "arguments": {"image_url": "https://x/page.png"}}}
    assert not demand({"role": "assistant", "tool_calls": [call]}).needs_window


@pytest.mark.parametrize("name", ["annotations", "citations"])
@pytest.mark.parametrize(
    "value", [[{"file_id": "file-1"}], {"document": {"id": "d"}}, [[{"vectorStoreId": "vs"}]]]
)
def test_an_echo_inside_a_part_is_refused_too(name, value):
    with pytest.raises(Unacceptable, match="whose owner"):
        demand({"role": "assistant", "content": [{"type": "text", "text": "said", name: value}]})
    part = {"type": "text", "text": "said", name: [CITED, {"file_id": None, "document_index": 1}]}
    assert not demand({"role": "assistant", "content": [part]}).needs_window


@pytest.mark.parametrize("members", HARMLESS, ids=lambda members: str(members)[:60])
def test_other_echoes_pass_as_text(members):
    found = demand({"role": "assistant", "content": "said", **members})
    assert not found.needs_window


@pytest.mark.parametrize(
    "value",
    [
        b'[{"f\\u0069le_\\u0069d":"x"}]',
        b'[{"FILE_ID":"x"}]',
        b'[{"file_id":"x","file_id":null}]',
        b'[{"file_id" : "x"}]',
    ],
)
def test_an_object_in_an_echo_is_not_hidden_by_how_it_is_written(value):
    for name in ("annotations", "tool_calls"):
        with pytest.raises(Unacceptable):
            refuse_echoed(name, value, name)


def test_an_echo_of_very_many_values_is_not_searched():
    value = json.dumps([{"a": {"id": 1}}] * 10_000).encode()
    with pytest.raises(Unacceptable, match="too long"):
        refuse_echoed("annotations", value, "annotations")
    refuse_echoed("annotations", json.dumps([{"id": 1}] * 10_000).encode(), "annotations")
    refuse_echoed("annotations", json.dumps([{"a": {"b": 1}}] * 10_000).encode(), "annotations")
