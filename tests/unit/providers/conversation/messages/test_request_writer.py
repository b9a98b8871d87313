"""A conversation becomes a body that the Messages API accepts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    Audio,
    CacheMark,
    Document,
    Image,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.messages.request_writer import write
from providers.conversation.messages.upstream import UPSTREAM
from providers.conversation.parameters import Unsupported
from providers.conversation.request import (
    Choosing,
    Conversation,
    Tool,
    ToolChoice,
)
from tests.support.vendors.claude_calls import conversation, deployment, facts, turn, written

WEATHER = Tool("weather", "Tells it.", b'{"type":"object","properties":{"at":{"type":"string"}}}')
CALL = ToolCall("toolu_1", "weather", '{"at": "Rome"}')
RESULT = ToolResult("toolu_1", (Text("sunny"),))
THOUGHT = Thinking(text="Hm.", signature="sig-1", owner=7)


def test_the_least_conversation() -> None:
    assert written(conversation(), cap=100) == {
        "model": "claude-up",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "max_tokens": 100,
    }


def test_system_and_turns_are_blocks_in_order_and_empty_text_is_dropped() -> None:
    given = conversation(
        turn("user", "a", ""),
        turn("user", "b"),
        turn("assistant", "  ", Refusal("No.")),
        turn("user", "c"),
        system=(Text("one"), Text(""), Text("two")),
    )
    body = written(given)
    assert [each["text"] for each in body["system"]] == ["one", "two"]
    assert [(m["role"], [b["text"] for b in m["content"]]) for m in body["messages"]] == [
        ("user", ["a", "b"]), ("assistant", ["No."]), ("user", ["c"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "turns", [(), (turn("assistant", "Hello."), turn("user", "hi")), (turn("user", " "),)]
)
def test_a_conversation_begins_with_a_user(turns: tuple[Any, ...]) -> None:
    body = written(Conversation(turns=turns, system=(Text("s"),)))
    assert body["messages"][0] == {"role": "user", "content": [{"type": "text", "text": "."}]}


def test_results_of_tools_come_first_in_one_users_turn() -> None:
    given = conversation(
        turn("user", "hi"),
        turn("assistant", "Let me see.", CALL, ToolCall("call:2", "weather", "")),
        turn("user", "hurry"),
        turn("user", RESULT),
        turn("user", ToolResult("call:2", (), is_error=True)),
        tools=(WEATHER,),
    )
    last, calls = written(given)["messages"][2], written(given)["messages"][1]
    assert [each["type"] for each in last["content"]] == ["tool_result", "tool_result", "text"]
    assert last["content"][1]["is_error"] is True
    assert last["content"][1]["tool_use_id"] == calls["content"][2]["id"]
    assert [each.get("input") for each in calls["content"]] == [None, {"at": "Rome"}, {}]


def test_arguments_keep_the_bytes_of_the_client_and_others_become_an_object() -> None:
    def sent(arguments: str) -> bytes:
        given = conversation(
            turn("user", "hi"),
            turn("assistant", ToolCall("a", "weather", arguments)),
            turn("user", ToolResult("a")),
        )
        return write(given, deployment(), SentOptions())

    assert b'"input":{"b" : 1.00, "a":[ ]}' in sent('{"b" : 1.00, "a":[ ]}')
    assert b'"input":{"arguments":[1]}' in sent("[1]")
    assert b'"input":{"arguments":"{\\"a"}' in sent('{"a')


def test_tools_are_rebuilt_if_only_the_history_names_them() -> None:
    body = written(conversation(turn("user", "hi"), turn("assistant", CALL), turn("user", RESULT)))
    assert [tool["name"] for tool in body["tools"]] == ["weather"]
    assert body["tool_choice"] == {"type": "none"}


NAMED = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (ToolChoice(), True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(Choosing.NONE), False, {"type": "none"}),
        (ToolChoice(Choosing.REQUIRED), None, {"type": "any"}),
        (ToolChoice(Choosing.NAMED, "weather"), False, NAMED),
    ],
)  # fmt: skip
def test_the_choice_of_a_tool(choice: ToolChoice | None, parallel: bool | None, expected: Any) -> None:  # noqa: FBT001
    body = written(conversation(tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=parallel))
    assert body.get("tool_choice") == expected


def test_there_is_no_choice_without_tools() -> None:
    assert "tool_choice" not in written(conversation(tool_choice=ToolChoice(Choosing.NONE)))


def test_only_allowed_tools_are_sent() -> None:
    given = conversation(
        tools=(WEATHER, Tool("time")), tool_choice=ToolChoice(Choosing.REQUIRED, allowed=("time",))
    )
    body = written(given)
    assert [tool["name"] for tool in body["tools"]] == ["time"]
    assert body["tool_choice"] == {"type": "any"}


def test_a_custom_tool_has_one_text() -> None:
    tool = Tool("patch", "Patches.", is_custom=True, grammar="start: LINE")
    call = ToolCall("toolu_9", "patch", "*** Begin", is_custom=True)
    given = conversation(
        turn("user", "hi"), turn("assistant", call), turn("user", ToolResult("toolu_9")), tools=(tool,)
    )
    body = written(given)
    assert body["tools"][0]["description"] == "Patches.\n\nstart: LINE"
    used = body["messages"][1]["content"][0]
    assert used["name"] == body["tools"][0]["name"]
    assert used["input"] == {"input": "*** Begin"}


def test_strict_tools_have_a_closed_schema_where_the_model_has_them() -> None:
    tool = msgspec.structs.replace(WEATHER, strict=True)
    strict = written(conversation(tools=(tool,)))["tools"][0]
    assert strict["strict"] is True
    assert strict["input_schema"]["additionalProperties"] is False
    for target in (deployment("old"), deployment(provider="vertex", facts=facts())):
        assert "strict" not in written(conversation(tools=(tool,)), target)["tools"][0]


def test_a_tool_with_a_name_that_does_not_fit_is_refused_and_a_call_of_one_is_renamed() -> None:
    with pytest.raises(Unsupported, match="name"):
        write(conversation(tools=(Tool("a.b"),)), deployment(), SentOptions())
    given = conversation(
        turn("user", "hi"), turn("assistant", ToolCall("a", "a.b", "{}")), turn("user", ToolResult("a"))
    )
    assert written(given) == written(given)


def test_other_parameters() -> None:
    given = conversation(
        stop=("END",), user="u1", service_tier="default", temperature=0.0, top_k=3, max_output_tokens=5
    )
    body = written(given)
    assert (body["stop_sequences"], body["metadata"], body["service_tier"]) == (
        ["END"],
        {"user_id": "u1"},
        "standard_only",
    )
    assert (body["temperature"], body["top_k"]) == (0.0, 3)


def test_default_sampling_is_not_sent_where_another_would_be_refused() -> None:
    given = conversation(temperature=1.0, top_p=1.0)
    body = written(given, deployment("5"))
    assert "temperature" not in body
    assert "top_p" not in body
    newest = deployment("old", api_version="2026-10-21")
    assert "temperature" not in written(given, newest)
    with pytest.raises(Unsupported, match="temperature"):
        write(conversation(temperature=0.5), newest, SentOptions())


def test_images_and_documents() -> None:
    given = conversation(
        turn(
            "user",
            Image(data="aGk=", media_type="image/jpg"),
            Image(url="https://h/a.png"),
            Document(data="aGk=", media_type="application/pdf", name="a.pdf"),
            Document(data="aGk=", media_type="text/csv"),
            Document(text="words"),
            Document(url="https://h/a.pdf"),
        )
    )
    sources = [each["source"] for each in written(given)["messages"][0]["content"]]
    assert [each["type"] for each in sources] == ["base64", "url", "base64", "text", "text", "url"]
    assert sources[0]["media_type"] == "image/jpeg"
    assert sources[3]["data"] == "hi"


@pytest.mark.parametrize(
    "part",
    [
        Audio("aGk=", "wav"),
        Image(data="aGk=", media_type="image/tiff"),
        Document(data="aGk=", media_type="application/zip"),
        Document(data="/w==", media_type="text/plain"),
    ],
)
def test_what_the_model_does_not_read_is_refused(part: Any) -> None:
    with pytest.raises(Unsupported):
        write(conversation(turn("user", part)), deployment(), SentOptions())


def test_later_system_messages_stay_in_their_place() -> None:
    given = conversation(
        turn("user", "a"), turn("assistant", "b"), turn("system", "c"), turn("user", "d"), turn("system", "e")
    )
    told = written(given)["messages"]
    assert [each["role"] for each in told] == ["user", "assistant", "user"]
    assert told[2]["content"][0]["text"] == "<system>\nc\n</system>"
    kept = written(given, deployment("5"))["messages"]
    assert [each["role"] for each in kept] == ["user", "assistant", "user", "system"]


def test_a_prefill_has_no_white_space_at_its_end_and_is_refused_by_models_without_it() -> None:
    given = conversation(turn("user", "a"), turn("assistant", "{ \n"))
    assert written(given)["messages"][1]["content"][0]["text"] == "{"
    with pytest.raises(Unsupported):
        write(given, deployment("5"), SentOptions())


def test_the_last_four_cache_marks_are_sent() -> None:
    mark = CacheMark("1h")
    given = conversation(
        turn("user", Text("a", mark), Text("b", mark)),
        turn("assistant", "c"),
        turn("user", Text("d", mark), Text("e", CacheMark())),
        tools=(msgspec.structs.replace(WEATHER, cache=mark),),
        system=(Text("s", CacheMark("5m")),),
    )
    body = written(given)
    assert "cache_control" not in body["tools"][0]
    assert "cache_control" not in body["system"][0]
    assert body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert body["messages"][2]["content"][1]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("part", "goes_back"),
    [
        (THOUGHT, True),
        (Thinking(redacted="data", owner=8), True),
        (Thinking(text="Hm.", signature="sig-1", owner=9), False),
        (Thinking(text="Hm.", signature="sig-1"), False),
        (Thinking(text="Hm.", owner=7), False),
        (Thinking(text="Hm.", signature="g", owner=7, place="toolu_1"), False),
    ],
)
def test_thinking_goes_back_to_the_account_that_made_it(part: Thinking, goes_back: bool) -> None:  # noqa: FBT001
    target = deployment(same_account=frozenset({8}))
    content = written(
        conversation(turn("user", "a"), turn("assistant", part, "b"), turn("user", "c")), target
    )
    assert (len(content["messages"][1]["content"]) == 2) is goes_back


def test_the_request_on_vertex_has_its_version_and_no_model() -> None:
    target = deployment(provider="vertex", facts=facts())
    beta = "context-1m-2025-08-07, mine-1"
    body = written(conversation(stream=True), target, anthropic_beta=beta)
    assert "model" not in body
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert body["anthropic_beta"] == ["context-1m-2025-08-07"]
    assert UPSTREAM.path(target, True) == "streamRawPredict"
    assert UPSTREAM.headers(target, SentOptions()) == {}


def test_the_headers_of_a_request() -> None:
    options = SentOptions(headers={"anthropic-beta": "a-1, b-2,a-1", "anthropic-version": "ignored"})
    expected = {"anthropic-version": "2023-06-01", "anthropic-beta": "a-1,b-2"}
    assert UPSTREAM.headers(deployment(), options) == expected
    newest = deployment(api_version="2026-10-21")
    assert UPSTREAM.headers(newest, SentOptions()) == {"anthropic-version": "2026-10-21"}
    assert UPSTREAM.path(newest, True) == UPSTREAM.path(newest, False) == "messages"
