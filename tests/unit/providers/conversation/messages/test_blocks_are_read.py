"""Every content block of a Messages body is a part of the conversation, or is stated by its place."""

from __future__ import annotations

import json

import pytest

from providers.conversation.content import CacheMark, Document, Image, Text, Thinking, ToolCall, ToolResult
from providers.conversation.messages.request_reader import read
from providers.isolation.ownership import Ownership
from tests.unit.providers.conversation.messages.bodies import BODY, call, content, reading, stated


@pytest.mark.parametrize(
    ("source", "part", "name"),
    [
        (
            {"type": "base64", "media_type": "image/png", "data": "AA=="},
            Image(data="AA==", media_type="image/png"),
            "image",
        ),
        ({"type": "url", "url": "https://x/y.png"}, Image(url="https://x/y.png"), "image_url"),
    ],
)
def test_images(source, part, name):
    conversation = content({"type": "image", "source": source})
    assert conversation.turns[0].parts == (part,)
    assert stated(conversation) == {name: "messages[0].content[0]"}


@pytest.mark.parametrize(
    ("source", "parts", "name"),
    [
        (
            {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            (Document(data="JVBE", media_type="application/pdf", name="T"),),
            "document",
        ),
        (
            {"type": "text", "media_type": "text/plain", "data": "Once"},
            (Document(text="Once", media_type="text/plain", name="T"),),
            "document",
        ),
        ({"type": "url", "url": "https://x"}, (Document(url="https://x", name="T"),), "document_url"),
        (
            {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            (Document(text="a\nb", media_type="text/plain", name="T"),),
            "document",
        ),
        (
            {"type": "content", "content": "a"},
            (Document(text="a", media_type="text/plain", name="T"),),
            "document",
        ),
    ],
)
def test_documents(source, parts, name):
    conversation = content({"type": "document", "title": "T", "context": "About", "source": source})
    assert conversation.turns[0].parts == (Text("About"), *parts)
    assert stated(conversation) == {name: "messages[0].content[0]"}


def test_a_document_with_citations_is_stated():
    source = {"type": "text", "media_type": "text/plain", "data": "Once"}
    on = content({"type": "document", "source": source, "citations": {"enabled": True}})
    off = content({"type": "document", "source": source, "citations": {"enabled": False}})
    assert stated(on)["unknown"] == "messages[0].content[0].citations"
    assert "unknown" not in stated(off)


def test_a_file_of_the_account_is_stated():
    conversation = content({"type": "image", "source": {"type": "file", "file_id": "file_1"}})
    assert stated(conversation) == {"file_id": "messages[0].content[0].source.file_id"}


def test_tool_calls_and_their_results():
    conversation = reading(
        messages=[
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": [call("t1", {"b": 1, "a": ""})]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t1",
                        "is_error": True,
                        "cache_control": {"type": "ephemeral"},
                        "content": [
                            {"type": "text", "text": "no"},
                            {"type": "image", "source": {"type": "url", "url": "https://x"}},
                        ],
                    },
                    {"type": "tool_result", "tool_use_id": "t2", "content": "plain"},
                    {"type": "tool_result", "tool_use_id": "t3"},
                    {"type": "text", "text": "and?"},
                ],
            },
        ]
    )
    assert conversation.turns[1].parts == (ToolCall("t1", "f", '{"b": 1, "a": ""}'),)
    assert conversation.turns[2].parts == (
        ToolResult("t1", (Text("no"), Image(url="https://x")), is_error=True, cache=CacheMark()),
        ToolResult("t2", (Text("plain"),)),
        ToolResult("t3"),
        Text("and?"),
    )


@pytest.mark.parametrize("kind", ["server_tool_use", "web_search_tool_result", "search_result", "brand_new"])
def test_a_block_without_a_part_is_stated_by_its_place(kind):
    conversation = content({"type": "text", "text": "a"}, {"type": kind, "content": [{"type": "x"}]})
    assert conversation.turns[0].parts == (Text("a"),)
    assert stated(conversation) == {"unknown": f"messages[0].content[1].{kind}"}


def test_an_unknown_block_inside_a_result_is_stated():
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference"}]}
    assert stated(content(result))["unknown"] == "messages[0].content[0].content[0].tool_reference"


def test_a_system_message_first_is_the_prompt_and_later_a_turn():
    conversation = reading(
        system="A",
        messages=[
            {"role": "system", "content": "B"},
            {"role": "user", "content": "Hi"},
            {"role": "system", "content": "C"},
            {"role": "assistant", "content": "Once"},
        ],
    )
    assert conversation.system == (Text("A"), Text("B"))
    assert [turn.role for turn in conversation.turns] == ["user", "system", "assistant"]
    assert stated(conversation) == {
        "system": "system",
        "system_later": "messages[2].role",
        "prefill": "messages[3]",
    }


def test_claude_codes_varying_block_is_left_out():
    billing = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=0f3a1;"}
    rules = {"type": "text", "text": "You are ...", "cache_control": {"type": "ephemeral"}}
    assert reading(system=[billing, rules]).system == (Text("You are ...", CacheMark()),)
    assert reading(system=[rules, billing]).system[1].text == billing["text"]


def test_thinking_of_a_deployment_is_read_with_its_owner():
    ownership = Ownership(b"tenant")
    blocks = [
        {"type": "thinking", "thinking": "Hm", "signature": ownership.mark("SIG", 7, "thinking")},
        {"type": "thinking", "thinking": "", "signature": "bare"},
        {"type": "redacted_thinking", "data": ownership.mark("DATA", 8, "thinking")},
        {"type": "text", "text": "a"},
    ]
    body = BODY | {"messages": [{"role": "assistant", "content": blocks}]}
    conversation = read(json.dumps(body).encode(), ownership)
    assert conversation.turns[0].parts == (
        Thinking(text="Hm", signature="SIG", owner=7),
        Thinking(text="", signature="bare"),
        Thinking(redacted="DATA", owner=8),
        Text("a"),
    )
    assert conversation.owners == {7, 8}
