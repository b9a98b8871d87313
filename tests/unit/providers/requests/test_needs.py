"""The requirements of a request come from its structure, never from words in its body; no tools are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.routing.capabilities import Requirements
from gateway.parsing.parsed_request import ParsedRequest
from gateway.parsing.schemas import peek_chat

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PICTURE = {"url": "https://example.com/p.png"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
IN_A_SCHEMA = {
    "type": "function",
    "function": {
        "name": "f",
        "parameters": {"type": "object", "properties": {"image_url": {"type": "string"}, "input_audio": {}}},
    },
}


def want(raw: bytes | None = None, *, content: Any = "hi", **members: Any) -> ParsedRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **members}
    return peek_chat(json.dumps(body).encode() if raw is None else raw)


def need(found: ParsedRequest) -> Requirements:
    demand = found.demand
    return Requirements(modalities=demand.modalities, tools=demand.tools, json_schema=demand.json_schema)


@pytest.mark.parametrize(
    "members",
    [
        {"tools": []},
        {"tools": None},
        {"functions": []},
        {"functions": None, "function_call": "auto"},
        {"tools": [], "tool_choice": "none", "parallel_tool_calls": False},
        {"metadata": {"tools": "x"}},
        {"metadata": {"a": "tools"}},
        {"user": "json_schema"},
        {"user": "image_url", "stop": ["input_audio"]},
        {"content": 'say "tools", "functions", "json_schema" and "image_url"'},
        {"content": [{"type": "text", "text": "image_url"}]},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "text", "json_schema": None}},
        {"response_format": None},
    ],
)
def test_words_and_empty_lists_need_nothing(members: dict[str, Any]) -> None:
    assert need(want(**members)) == Requirements()


@pytest.mark.parametrize(
    ("members", "needed"),
    [
        ({"tools": [FUNCTION]}, Requirements(tools=True)),
        ({"functions": [{"name": "f"}]}, Requirements(tools=True)),
        ({"tools": [IN_A_SCHEMA] * 20}, Requirements(tools=True)),
        ({"response_format": SCHEMA}, Requirements(json_schema=True)),
        ({"response_format": SCHEMA, "max_tokens": 5}, Requirements(json_schema=True)),
        ({"content": [{"type": "image_url", "image_url": PICTURE}]}, Requirements(modalities=("image",))),
        ({"content": [{"image_url": PICTURE}]}, Requirements(modalities=("image",))),
        ({"content": [{"type": "input_image", "input_image": PICTURE}]}, Requirements(modalities=("image",))),
        (
            {"content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]},
            Requirements(modalities=("audio",)),
        ),
    ],
)
def test_what_is_really_asked_for_is_needed(members: dict[str, Any], needed: Requirements) -> None:
    assert need(want(**members)) == needed


@pytest.mark.parametrize(
    ("plain", "needed"),
    [
        ('{"type":"image_url","image_url":{"url":"https://x/p.png"}}', Requirements(modalities=("image",))),
        (
            '{"type":"image_url", "image_url" : {"url":"https://x/p.png"}}',
            Requirements(modalities=("image",)),
        ),
    ],
)
def test_another_spelling_of_a_name_is_the_same_name(plain: str, needed: Requirements) -> None:
    body = '{"model":"m","messages":[{"role":"user","content":[%s]}]}'
    assert need(want((body % plain).encode())) == needed
    assert need(want((body % plain.replace("image_url", "image\\u005furl")).encode())) == needed
    schema = b'{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json\\u005fschema"}}'
    assert need(want(schema)) == Requirements(json_schema=True)


def test_a_property_called_image_url_is_held_as_no_picture() -> None:
    assert want(tools=[IN_A_SCHEMA] * 20).demand.pictures == ()


@pytest.mark.parametrize(
    ("members", "absent"),
    [
        ({"tools": []}, {"tools"}),
        ({"tools": None, "tool_choice": None}, {"tools", "tool_choice"}),
        (
            {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
            {"tools", "tool_choice", "parallel_tool_calls"},
        ),
        ({"functions": [], "function_call": "none"}, {"functions", "function_call"}),
        ({"tools": [], "tool_choice": "required"}, {"tools"}),  # the provider may say what it thinks of that
        ({"tools": [FUNCTION], "tool_choice": "auto"}, set()),
        ({"tools": [], "functions": [{"name": "f"}]}, set()),
        ({"tool_choice": "auto"}, set()),
        ({"parallel_tool_calls": False}, set()),
    ],
)
def test_members_about_no_tools_do_not_leave(members: dict[str, Any], absent: set[str]) -> None:
    assert set(want(**members).shape.absent) == absent
