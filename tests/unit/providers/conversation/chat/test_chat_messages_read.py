"""What the messages of a chat request become in a conversation."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from providers.conversation.chat.call_ids import with_signature
from providers.conversation.chat.request_reader import read
from providers.conversation.content import (
    Audio,
    CacheMark,
    Document,
    Image,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.request import (
    Conversation,
    Turn,
)
from providers.isolation.ownership import Ownership

OWNERSHIP = Ownership(b"a tenant")
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
HELLO = [{"role": "user", "content": "Hello"}]


def conversation(*messages: dict[str, Any], **more: Any) -> Conversation:
    body = {"model": "m", "messages": [*messages] or HELLO, **more}
    return read(json.dumps(body).encode(), OWNERSHIP)


def stated(found: Conversation) -> dict[str, str]:
    return {each.name: each.member for each in found.stated}


def test_the_system_is_what_comes_before_the_first_turn() -> None:
    found = conversation(
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Now be long."},
    )
    assert found.system == (Text("Be brief."), Text("Be kind."))
    assert found.turns == (Turn("user", (Text("Hi"),)), Turn("system", (Text("Now be long."),)))
    assert stated(found) == {"system": "messages[0]", "system_later": "messages[3]"}


def test_parts_of_every_kind_are_read() -> None:
    pdf = "JVBERi0xLjQ="
    text = base64.b64encode("Grüße".encode()).decode()
    parts = [
        {"type": "text", "text": ""},
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
        {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AAAA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{pdf}"}},
        {"type": "file", "file": {"file_data": pdf}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{text}"}},
    ]
    found = conversation({"role": "user", "content": parts, "name": "ann"})
    assert found.turns[0].parts == (
        Text(""),
        Text("a", CacheMark("1h")),
        Text("b", CacheMark("30m")),
        Image("AAAA", "image/png"),
        Image(url="https://example.com/a.png"),
        Audio("AAAA", "wav"),
        Document(pdf, "application/pdf", name="a.pdf"),
        Document(pdf, "application/pdf"),
        Document(media_type="text/plain", text="Grüße", name="a.txt"),
    )
    where = "messages[0].content"
    assert stated(found) == {
        "cache_marks": f"{where}[1].cache_control",
        "image": f"{where}[3].image_url",
        "image_url": f"{where}[4].image_url",
        "audio": f"{where}[5].input_audio",
        "document": f"{where}[6].file",
    }


def test_a_mark_on_a_message_is_one_on_its_last_part() -> None:
    marked = {"role": "user", "content": "x", "cache_control": {"type": "ephemeral"}}
    assert conversation(marked).turns[0].parts == (Text("x", CacheMark()),)


def test_results_of_parallel_calls_are_one_turn() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}, "index": 0},
        {"id": "b", "type": "custom", "custom": {"name": "c", "input": "raw"}},
    ]
    found = conversation(
        *HELLO,
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]},
        {"role": "user", "content": "Go on"},
    )
    assert found.turns[1:] == (
        Turn("assistant", (ToolCall("a", "f", ""), ToolCall("b", "c", "raw", is_custom=True))),
        Turn("user", (ToolResult("a", (Text("1"),)), ToolResult("b", (Text("2"),), is_custom=True))),
        Turn("user", (Text("Go on"),)),
    )


def test_thinking_is_read_back_with_its_owner() -> None:
    mark = OWNERSHIP.mark
    blocks = [
        {"type": "thinking", "thinking": "Hm", "signature": mark("sig", 7, "thinking")},
        {"type": "redacted_thinking", "data": mark("hidden", 8, "thinking")},
        {"type": "thinking", "thinking": "", "signature": "foreign"},
    ]
    found = conversation(
        *HELLO,
        {"role": "assistant", "content": "Hi", "reasoning_content": "Hm", "thinking_blocks": blocks},
        *HELLO,
    )
    assert found.turns[1].parts == (
        Thinking("Hm", "sig", owner=7),
        Thinking(redacted="hidden", owner=8),
        Thinking(signature="foreign"),
        Text("Hi"),
    )
    assert found.owners == {7, 8}
    assert stated(found)["thinking_history"] == "messages[1]"


def test_a_mark_of_another_tenant_is_removed_and_names_no_owner() -> None:
    foreign = Ownership(b"another").mark("sig", 7, "thinking")
    block = {"type": "thinking", "thinking": "Hm", "signature": foreign}
    found = conversation(*HELLO, {"role": "assistant", "content": "x", "thinking_blocks": [block]}, *HELLO)
    assert found.turns[1].parts[0] == Thinking("Hm", "sig")
    assert found.owners == frozenset()


@pytest.mark.parametrize("keeps_extra", [True, False])
def test_a_signature_of_google_comes_back_from_its_member_or_from_behind_the_id(*, keeps_extra: bool) -> None:
    signature = OWNERSHIP.mark("Ep+/wI==", 9, "thinking")
    call: dict[str, Any] = {
        "id": with_signature("call_1", signature),
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }
    if keeps_extra:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    found = conversation(
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "1"},
    )
    assert found.turns[1].parts == (
        Thinking(signature="Ep+/wI==", owner=9, place="call_1"),
        ToolCall("call_1", "f", "{}"),
    )
    assert found.turns[2].parts == (ToolResult("call_1", (Text("1"),)),)


def test_files_by_id_and_a_begun_answer_are_stated() -> None:
    found = conversation(
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        {"role": "assistant", "content": "I"},
    )
    assert stated(found) == {"file_id": "messages[0].content[0].file.file_id", "prefill": "messages[1]"}
