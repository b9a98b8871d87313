"""System messages among the others are a user's text for models that take none; nothing else changes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.anthropic.later_system import as_user_text
from tests.support.vendors.claude_calls import deployment

BODY = b"""{"system": "top", "messages": [ {"role": "user", "content": "\\"role\\":\\"system\\""},
 {"content": "Agents: \\u00e9", "role" : "system"}, {"role":"system","content":[{"type":"text","text":"a","mark":
 {"type":"ephemeral"}}, {"type": "text", "text": ""}]} ], "tools": [{"x": {"role":"system"}}]}"""
CHANGED = b"""{"system": "top", "messages": [ {"role": "user", "content": "\\"role\\":\\"system\\""},
 {"content": "<system>\\nAgents: \\u00e9\\n</system>", "role" : "user"}, {"role":"user","content":[{"type":"text","text":"<system>\\na\\n</system>","mark":
 {"type":"ephemeral"}}, {"type": "text", "text": "<system>\\n\\n</system>"}]} ], "tools": [{"x": {"role":"system"}}]}"""  # noqa: E501 - the bytes


def test_only_their_role_and_text_change():
    assert as_user_text(BODY, deployment("4.5")) == CHANGED


def test_a_model_that_takes_them_gets_the_same_bytes():
    assert as_user_text(BODY, deployment("5")) is BODY


@pytest.mark.parametrize(
    "messages", ['"role":"system"', 'null, "x": {"role":"system"}', '[7, {"role":"system","x":1}, "role"]']
)
def test_odd_messages_are_left_to_the_provider(messages):
    raw = f'{{"messages": {messages if messages[0] != chr(34) else "{" + messages + "}"}}}'.encode()
    sent = json.loads(as_user_text(raw, deployment("4.5")))
    assert sent == json.loads(raw.replace(b'"role":"system","x":1', b'"role":"user","x":1'))


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant", "system"]), st.text()), max_size=5))
def test_all_other_messages_stay(given_):
    messages = [{"role": role, "content": text} for role, text in given_]
    raw = json.dumps({"messages": messages}).encode()
    sent = json.loads(as_user_text(raw, deployment("4.5")))["messages"]
    for before, after in zip(messages, sent, strict=True):
        if before["role"] == "system":
            assert after == {"role": "user", "content": f"<system>\n{before['content']}\n</system>"}
        else:
            assert after == before
