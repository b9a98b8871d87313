"""The turns of a conversation become messages that Amazon Bedrock accepts."""

from __future__ import annotations

import pytest

from providers.conversation.content import (
    Audio,
    CacheMark,
    Document,
    Image,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.parameters import Unsupported
from providers.conversation.request import (
    Tool,
    Turn,
)
from tests.unit.providers.conversation.converse.bodies import (
    PDF,
    PICTURE,
    TOOL,
    VENDORS,
    assistant,
    body,
    contents,
    user,
)


def test_text_and_the_cap() -> None:
    written = body(
        user("Hi"), system=(Text("Be brief"), Text(" ")), temperature=0.0, top_p=0.5, stop=("END",)
    )
    assert written == {
        "system": [{"text": "Be brief"}],
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 4000, "temperature": 0.0, "topP": 0.5, "stopSequences": ["END"]},
    }
    assert body(user("Hi"), max_output_tokens=9)["inferenceConfig"] == {"maxTokens": 9}
    assert body(user("Hi"), max_output_tokens=9, cap=5)["inferenceConfig"] == {"maxTokens": 5}


def test_a_model_with_an_unknown_cap_gets_none_unless_the_client_states_one() -> None:
    assert "inferenceConfig" not in body(user("Hi"), vendor="meta", facts={"max_output_tokens": None})


def test_consecutive_turns_of_one_role_are_one_message() -> None:
    written = body(user("a"), user("b"), assistant("c"), assistant(" "), user("d"))
    assert contents(written) == [[{"text": "a"}, {"text": "b"}], [{"text": "c"}], [{"text": "d"}]]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_conversation_begins_with_the_user_where_the_model_requires_it(vendor: str) -> None:
    first = body(assistant("Hello!"), user("Hi"), vendor=vendor)["messages"][0]
    assert first["role"] == ("assistant" if vendor in {"anthropic", "qwen"} else "user")


def test_a_later_system_message_is_marked_or_keeps_its_role() -> None:
    turns = (user("a"), Turn("system", (Text("be quick"),)), assistant("b"), user("c"))
    assert contents(body(*turns))[0] == [{"text": "a"}, {"text": "<system>\nbe quick\n</system>"}]
    roles = [each["role"] for each in body(*turns, facts={"system_in_messages": True})["messages"]]
    assert roles == ["user", "system", "assistant", "user"]


def test_results_of_tools_come_first_in_one_message() -> None:
    calls = assistant(ToolCall("c1", "search", '{"q": "x"}'), ToolCall("c2", "search", ""))
    written = body(
        user("go"),
        calls,
        user(ToolResult("c1", (Text("one"),))),
        user("and?", ToolResult("c2", (), is_error=True)),
        tools=(TOOL,),
    )
    assert contents(written)[1:] == [
        [
            {"toolUse": {"toolUseId": "c1", "name": "search", "input": {"q": "x"}}},
            {"toolUse": {"toolUseId": "c2", "name": "search", "input": {}}},
        ],
        [
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "one"}]}},
            {"toolResult": {"toolUseId": "c2", "content": [{"text": "."}], "status": "error"}},
            {"text": "and?"},
        ],
    ]


@pytest.mark.parametrize("vendor", ["meta", "mistral"])
def test_results_are_alone_in_their_message_where_the_model_wants_that(vendor: str) -> None:
    calls = assistant(ToolCall("call_abcdef", "search", "{}"))
    turns = (user("go"), calls, user(ToolResult("call_abcdef", (Text("one"),)), "and?"))
    written = body(*turns, vendor=vendor, tools=(TOOL,))
    assert [each["role"] for each in written["messages"]] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    use, result = contents(written)[1][0]["toolUse"], contents(written)[2][0]["toolResult"]
    assert use["toolUseId"] == result["toolUseId"]


@pytest.mark.parametrize(
    "arguments", ["", "  ", "[1]", "no json", '"x"', "null", '{"a":1}', '{"a": 1', "{}{}"]
)
def test_arguments_are_always_an_object(arguments: str) -> None:
    turns = (user("go"), assistant(ToolCall("c", "f", arguments)), user(ToolResult("c", (Text("r"),))))
    given = contents(body(*turns))[1][0]["toolUse"]["input"]
    assert isinstance(given, dict)
    assert bool(given) == bool(arguments.strip())


def test_documents_have_names_of_their_own_and_a_text_beside_them() -> None:
    written = body(user(PDF), assistant("ok"), user(Document(text="a,b"), "and this?"))
    assert contents(written) == [
        [
            {"document": {"format": "pdf", "name": "document-1", "source": {"bytes": PDF.data}}},
            {"text": "."},
        ],
        [{"text": "ok"}],
        [
            {"document": {"format": "txt", "name": "document-2", "source": {"bytes": "YSxi"}}},
            {"text": "and this?"},
        ],
    ]


def test_claude_gets_no_document_beside_results() -> None:
    turns = (user("go"), assistant(ToolCall("c", "f", "{}")), user(ToolResult("c", (Text("r"),)), PDF))
    assert len(body(*turns)["messages"]) == 5


@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://x.example/a.png"),
        Image(data="aa", media_type="image/tiff"),
        Document(url="https://x.example/a.pdf"),
        Document(data="aa", media_type="application/zip"),
    ],
)
def test_media_that_the_api_does_not_take_are_refused(part: Part) -> None:
    with pytest.raises(Unsupported):
        body(user(part))


def test_pictures_and_sound() -> None:
    written = body(user(PICTURE, Audio("QQ==", "wav")), vendor="amazon")
    assert contents(written) == [
        [
            {"image": {"format": "png", "source": {"bytes": PICTURE.data}}},
            {"audio": {"format": "wav", "source": {"bytes": "QQ=="}}},
        ]
    ]


def test_thinking_returns_to_its_account_only() -> None:
    own, foreign = Thinking("hm", "sig", owner=7), Thinking("other", "sig", owner=8)
    parts = (own, foreign, Thinking("unsigned", owner=7), Thinking(redacted="QUJD", owner=7))
    turn = assistant(*parts, Thinking("hm", "sig", owner=7, place="text"), "ok")
    assert contents(body(user("a"), turn, user("b")))[1] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "QUJD"}},
        {"text": "ok"},
    ]


def test_ends_of_cached_prefixes() -> None:
    mark, hour = CacheMark(), CacheMark("1h")
    written = body(
        user(Text("a", mark), Text(" ", mark), Text("b", hour)),
        system=(Text("s", hour),),
        tools=(Tool("t", cache=mark),),
    )
    assert written["system"] == [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert written["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert contents(written) == [
        [
            {"text": "a"},
            {"cachePoint": {"type": "default"}},
            {"text": "b"},
            {"cachePoint": {"type": "default", "ttl": "1h"}},
        ]
    ]
    nova = body(user(Text("a", hour)), tools=(Tool("t", cache=mark),), vendor="amazon")
    assert contents(nova) == [[{"text": "a"}, {"cachePoint": {"type": "default"}}]]
    assert len(nova["toolConfig"]["tools"]) == 1
    assert contents(body(user(Text("a", mark)), vendor="meta")) == [[{"text": "a"}]]


def test_only_the_last_four_ends_are_sent() -> None:
    turns = [user(Text(f"{at}", CacheMark())) for at in range(6)]
    (blocks,) = contents(body(*turns))
    assert [at for at, block in enumerate(blocks) if "cachePoint" in block] == [3, 5, 7, 9]


def test_a_prefill_is_continued_or_refused() -> None:
    assert contents(body(user("a"), assistant("{ ")))[1] == [{"text": "{"}]
    with pytest.raises(Unsupported):
        body(user("a"), assistant("{"), facts={"prefill": False})
