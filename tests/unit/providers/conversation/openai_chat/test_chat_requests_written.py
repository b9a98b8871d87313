"""The chat request that another client's conversation becomes."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    Audio,
    CacheMark,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.openai_chat.side import OPENAI_CHAT
from providers.conversation.parameters import Unsupported
from providers.conversation.request import (
    Choosing,
    Conversation,
    ResponseFormat,
    Tool,
    ToolChoice,
    Turn,
)
from providers.model_facts import ModelFacts
from providers.request_additions import Added
from providers.target import Secret, Target

HELLO = Turn("user", (Text("Hello"),))
NO_OPTIONS = SentOptions()
SCHEMA = b'{"type":  "object"}'


def target(provider: str = "openai-compatible", **more: Any) -> Target:
    return Target(
        id=1, alias="a", name="d", provider=provider, upstream_model="up", base_url="http://x/v1",
        secret=Secret(""), **more,
    )  # fmt: skip


def written(
    *turns: Turn, to: Target | None = None, options: SentOptions = NO_OPTIONS, **more: Any
) -> dict[str, Any]:
    conversation = Conversation(turns=turns or (HELLO,), **more)
    body: dict[str, Any] = json.loads(OPENAI_CHAT.write(conversation, to or target(), options))
    return body


def messages(*turns: Turn, to: Target | None = None, **more: Any) -> Any:
    return written(*turns, to=to, **more)["messages"]


def test_a_plain_request() -> None:
    assert written() == {"model": "up", "messages": [{"role": "user", "content": "Hello"}]}
    assert written(to=target(wire_model="deployment"))["model"] == "deployment"
    assert OPENAI_CHAT.path(target(), True) == "chat/completions"


def test_results_of_tools_come_before_what_the_user_says() -> None:
    turn = Turn(
        "user",
        (
            Text("And now?"),
            ToolResult("a", (Text("1"), Text("2"))),
            ToolResult("b", (Image("AAAA", "image/png"),), is_error=True),
            ToolResult("c"),
        ),
    )
    assert messages(turn) == [
        {"role": "tool", "tool_call_id": "a", "content": "1\n\n2"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: The result is in the next message."},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "text", "text": "And now?"},
            ],
        },
    ]


def test_texts_are_one_string_and_media_are_parts() -> None:
    pdf = Document("AAAA", "application/pdf")
    note = Document(media_type="text/plain", text="Grüße", name="n.txt")
    parts: tuple[Part, ...] = (Text("a"), Text(""), Image(url="https://x/y"), Audio("AA", "wav"), pdf, note)
    data = base64.b64encode("Grüße".encode()).decode()
    assert messages(Turn("user", (Text("a", CacheMark()), Text("b")))) == [
        {"role": "user", "content": "a\n\nb"}
    ]
    assert messages(Turn("user", parts))[0]["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "https://x/y"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
        {
            "type": "file",
            "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        },
        {"type": "file", "file": {"filename": "n.txt", "file_data": f"data:text/plain;base64,{data}"}},
    ]
    with pytest.raises(Unsupported):
        messages(Turn("user", (Document(url="https://x/y.pdf"),)))


def test_systems_stay_in_their_places() -> None:
    found = messages(HELLO, Turn("system", (Text("later"),)), system=(Text("a"), Text("b")))
    assert [(each["role"], each["content"]) for each in found] == [
        ("system", "a\n\nb"),
        ("user", "Hello"),
        ("system", "later"),
    ]


def test_a_turn_of_the_assistant() -> None:
    turn = Turn("assistant", (Thinking("Hm"), Text("a"), Text("b"), Refusal("c"), ToolCall("i", "f", "")))
    call = {"id": "i", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert messages(HELLO, turn)[1] == {"role": "assistant", "content": "abc", "tool_calls": [call]}
    assert messages(HELLO, Turn("assistant", (ToolCall("i", "f", "{}"),)))[1]["content"] is None


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (target(), None),
        (target(facts=ModelFacts(vendor="deepseek")), "own, any"),
        (target(facts=ModelFacts(vendor="deepseek"), metadata={"reasoning_content": "drop"}), None),
        (target(metadata={"reasoning_content": "send"}), "own, any"),
    ],
)
def test_thinking_goes_back_only_to_a_model_that_wants_its_own(to: Target, expected: str | None) -> None:
    thoughts = (Thinking("own, ", "sig", owner=1), Thinking("foreign", "sig", owner=9), Thinking("any"))
    found = messages(HELLO, Turn("assistant", (*thoughts, Text("x"))), HELLO, to=to)
    assert found[1].get("reasoning_content") == expected
    bare = messages(HELLO, Turn("assistant", (ToolCall("i", "f", "{}"),)), to=to)[1]
    assert bare.get("reasoning_content") == (None if expected is None else "")


def test_a_long_id_is_shortened_in_the_call_and_in_its_result() -> None:
    long = "toolu_" + "x" * 100
    called, result = messages(
        Turn("assistant", (ToolCall(long, "f", "{}"),)), Turn("user", (ToolResult(long, (Text("1"),)),))
    )
    assert called["tool_calls"][0]["id"] == result["tool_call_id"]
    assert len(result["tool_call_id"]) <= 40
    assert messages(Turn("user", (ToolResult(long[:40]),)))[0]["tool_call_id"] == long[:40]


TOOLS = (
    Tool("f", "F", SCHEMA, strict=True),
    Tool("c", "C", is_custom=True, grammar="lark\nstart: /x/"),
)


def test_tools_of_openai() -> None:
    turn = Turn("assistant", (ToolCall("i", "c", "raw", is_custom=True),))
    choice = ToolChoice(Choosing.REQUIRED, allowed=("f", "c"))
    body = written(
        HELLO, turn, to=target("openai"), tools=TOOLS, tool_choice=choice, parallel_tool_calls=False
    )
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "F", "parameters": {"type": "object"}, "strict": True},
        },
        {
            "type": "custom",
            "custom": {
                "name": "c",
                "description": "C",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}},
            },
        },
    ]
    assert body["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "required",
            "tools": [
                {"type": "function", "function": {"name": "f"}},
                {"type": "custom", "custom": {"name": "c"}},
            ],
        },
    }
    assert body["parallel_tool_calls"] is False
    custom = {"id": "i", "type": "custom", "custom": {"name": "c", "input": "raw"}}
    assert body["messages"][1]["tool_calls"] == [custom]


def test_tools_of_other_servers_are_functions_and_only_the_allowed_ones() -> None:
    turn = Turn("assistant", (ToolCall("i", "c", "raw", is_custom=True),))
    body = written(HELLO, turn, tools=TOOLS, tool_choice=ToolChoice(Choosing.REQUIRED, allowed=("c",)))
    [tool] = body["tools"]
    assert tool["function"]["parameters"]["required"] == ["input"]
    assert tool["function"]["description"] == "C\n\nGrammar of `input` (lark):\nstart: /x/"
    assert body["tool_choice"] == "required"
    [call] = body["messages"][1]["tool_calls"]
    assert call["function"] == {"name": "c", "arguments": '{"input":"raw"}'}
    named = written(tools=TOOLS, tool_choice=ToolChoice(Choosing.NAMED, "c"))
    assert named["tool_choice"] == {"type": "function", "function": {"name": "c"}}
    assert "tool_choice" not in written(tools=TOOLS, tool_choice=ToolChoice())


def test_bytes_of_schemas_are_kept() -> None:
    conversation = Conversation(
        turns=(HELLO,), tools=TOOLS, response_format=ResponseFormat(SCHEMA, "n", strict=True)
    )
    assert OPENAI_CHAT.write(conversation, target(), SentOptions()).count(SCHEMA) == 2


@pytest.mark.parametrize(
    ("to", "cap", "stated", "expected"),
    [
        (target("openai"), 5, 9, {"max_completion_tokens": 5}),
        (target(), 5, None, {"max_tokens": 5}),
        (target(), None, 0, {"max_tokens": 0}),
        (target(), None, None, {}),
        (target(metadata={"cap_member": "max_completion_tokens"}), 5, None, {"max_completion_tokens": 5}),
        (target(metadata={"cap_member": "none"}), 5, None, {}),
        (target(metadata={"cap_member": "none"}), 5, 9, {"max_tokens": 5}),
    ],
)
def test_the_gateways_cap_is_the_only_one(
    to: Target, cap: int | None, stated: int | None, expected: dict[str, int]
) -> None:
    body = written(to=to, options=SentOptions(cap=cap), max_output_tokens=stated)
    assert {name: value for name, value in body.items() if "tokens" in name} == expected


def test_what_a_server_refused_before_is_not_sent_again() -> None:
    added = Added("max_completion_tokens", usage=False)
    body = written(options=SentOptions(cap=5, added=added), stream=True)
    assert (body["max_completion_tokens"], body["stream"]) == (5, True)
    assert "stream_options" not in body
    assert written(stream=True)["stream_options"] == {"include_usage": True}


def test_sampling_and_names() -> None:
    values: dict[str, Any] = {
        "temperature": 0.0, "top_p": 0.5, "top_k": 3, "n": 2, "presence_penalty": 1.0, "frequency_penalty": -1.0,
        "logprobs": True, "top_logprobs": 2, "seed": 0, "user": "salted",
    }  # fmt: skip
    body = written(**values, stop=("x",), service_tier="flex", prompt_cache_key="salted-key")
    del body["model"], body["messages"]
    assert body == {**values, "stop": ["x"], "service_tier": "flex"}
    assert written(to=target("openai"), prompt_cache_key="k")["prompt_cache_key"] == "k"
    assert (
        written(to=target(metadata={"cache_member": "cache_salt"}), prompt_cache_key="k")["cache_salt"] == "k"
    )
    no_sampling = target(facts=ModelFacts(sampling="none"))
    assert "temperature" not in written(to=no_sampling, temperature=1.0)


LONG: tuple[Turn, ...] = (
    HELLO,
    Turn(
        "assistant",
        (Thinking("Hm", "s", owner=1), Text("Hi"), ToolCall("a", "f", "{}"), ToolCall("b", "f", "")),
    ),
    Turn(
        "user", (ToolResult("a", (Text("1"),)), ToolResult("b", (Image("AA", "image/png"),)), Text("Go on"))
    ),
    Turn("system", (Text("Be brief"),)),
    Turn("user", (Text("Look"), Document("AA", "application/pdf"))),
    Turn("assistant", (Text("Yes"),)),
    HELLO,
)


@pytest.mark.parametrize("to", [target(), target("openai"), target(facts=ModelFacts(vendor="deepseek"))])
def test_a_longer_conversation_begins_with_the_bytes_of_a_shorter_one(to: Target) -> None:
    whole = Conversation(turns=LONG, system=(Text("S"), Text("T")), tools=TOOLS, temperature=0.5)
    bodies = [
        OPENAI_CHAT.write(msgspec.structs.replace(whole, turns=LONG[:count]), to, SentOptions(cap=count))
        for count in range(1, len(LONG) + 1)
    ]
    last = bodies[-1]
    for body in bodies:
        end = body.rindex(b'],"max_')
        assert last.startswith(body[:end])
