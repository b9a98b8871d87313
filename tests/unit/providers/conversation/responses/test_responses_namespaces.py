"""Tools that a client has in namespaces (Codex) are functions elsewhere, and return to it as it has them."""

from __future__ import annotations

import json

import msgspec
import pytest

from providers.conversation.apis import WriterContext
from providers.conversation.content import ToolCall
from providers.conversation.events import BlockDelta, BlockEnded, BlockStarted, Event, Started
from providers.conversation.responses.answer_writer import ResponsesWriter
from providers.conversation.responses.request_reader import read
from providers.requests.money_classes import Unacceptable


def function(name, **more):
    return {"type": "function", "name": name, **more}


def namespace(name, *tools, **more):
    return {"type": "namespace", "name": name, "tools": [*tools], **more}


TOOLS = [
    function("search"),
    namespace("mail", function("send", description="Sends."), function("search"), description="Mail."),
    namespace("web", function("search"), {"type": "custom", "name": "patch"}),
]


def conversation(**members):
    return read(json.dumps({"model": "m", "input": "hi", "tools": TOOLS, **members}).encode(), None)


def test_they_keep_their_names_where_no_other_has_them():
    tools = conversation().tools
    assert [tool.name for tool in tools] == ["search", "send", "search_2", "search_3", "patch"]
    assert [tool.description for tool in tools[:3]] == ["", "Mail.\n\nSends.", ""]
    assert tools[-1].is_custom


def test_earlier_calls_and_choices_have_the_same_names():
    call = {"type": "function_call", "call_id": "1", "namespace": "web", "name": "search", "arguments": "{}"}
    gone = {"type": "function_call", "call_id": "2", "namespace": "old", "name": "gone", "arguments": "{}"}
    choice = {"type": "function", "namespace": "mail", "name": "search"}
    found = conversation(input=[call, gone], tool_choice=choice)
    assert found.turns[0].parts == (ToolCall("1", "search_3", "{}"), ToolCall("2", "gone", "{}"))
    assert found.tool_choice is not None
    assert found.tool_choice.name == "search_2"


def written(name):
    context = WriterContext(alias="m", response_id="abc", created=1, conversation=conversation())
    writer = ResponsesWriter(context)
    events: list[Event] = [
        Started("1"),
        BlockStarted(0, "tool", "1", name),
        BlockDelta(0, "{}"),
        BlockEnded(0),
    ]
    out = b"".join([writer.write(event) for event in events])
    data = [json.loads(line[6:]) for line in out.splitlines() if line.startswith(b"data: ")]
    return [each for each in data if "item" in each or "name" in each]


@pytest.mark.parametrize(
    ("name", "place"),
    [("search_2", ("mail", "search")), ("send", ("mail", "send")), ("search", (None, "search"))],
)
def test_a_call_returns_with_its_namespace(name, place):
    added, arguments, done = written(name)
    for event in (added, done):
        assert (event["item"].get("namespace"), event["item"]["name"]) == place
    assert arguments["name"] == place[1]


def test_what_a_provider_would_run_is_stated_there_too():
    found = conversation(tools=[namespace("n", {"type": "web_search"}, extra=1)])
    assert {each.name: each.member for each in found.stated} == {
        "unknown": "tools[0].extra",
        "hosted_tools": "tools[0].tools[0].web_search",
    }


@pytest.mark.parametrize("wrong", [namespace(""), namespace(7), {"type": "namespace"}, namespace("n", 7)])
def test_a_namespace_without_a_name_or_with_wrong_tools_is_invalid(wrong):
    with pytest.raises(Unacceptable):
        conversation(tools=[wrong])


def test_many_tools_of_one_name_are_quickly_told_apart():
    tools = [namespace(f"n{number}", function("x" * 64)) for number in range(3_000)]
    names = [tool.name for tool in conversation(tools=tools).tools]
    assert len(set(names)) == 3_000
    assert max(map(len, names)) <= 64
    assert msgspec.json.encode(names[1])[1:-1] == b"x" * 58 + b"_2"
