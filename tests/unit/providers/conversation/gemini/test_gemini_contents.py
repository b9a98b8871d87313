"""Turns, calls and results as Gemini's contents."""

from __future__ import annotations

import json

import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    Image,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from providers.conversation.gemini.request_writer import write
from providers.conversation.parameters import Unsupported
from providers.conversation.request import (
    Turn,
)
from tests.support.vendors.gemini_examples import (
    CALLS,
    sent,
    talk,
    target,
    turn,
)
from tests.support.vendors.gemini_rules import SKIP


def test_roles_system_and_texts() -> None:
    body = sent(
        talk(
            turn("user", Text("a"), Text("")),
            turn("assistant", Text("b")),
            turn("assistant", Refusal("no")),
            turn("system", Text("be brief")),
            turn("user", Text("c")),
            system=(Text("first"), Text(""), Text("second")),
        )
    )

    assert body == {
        "systemInstruction": {"parts": [{"text": "first"}, {"text": "second"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b"}, {"text": "no"}]},
            {"role": "user", "parts": [{"text": "<system>\nbe brief\n</system>"}]},
            {"role": "user", "parts": [{"text": "c"}]},
        ],
    }


@pytest.mark.parametrize("turns", [(), (turn("user", Text("")),)])
def test_a_conversation_without_a_users_text_gets_a_small_one(turns: tuple[Turn, ...]) -> None:
    assert sent(talk(*turns, system=(Text("s"),)))["contents"] == [{"role": "user", "parts": [{"text": "."}]}]


def test_results_are_one_turn_in_the_order_of_their_calls_before_any_text() -> None:
    body = sent(talk(*CALLS))

    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "I look."},
                {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": SKIP},
                {"functionCall": {"id": "b", "name": "g", "args": {"x": 1.5, "y": []}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "a", "name": "f", "response": {"error": "one"}}},
                {"functionResponse": {"id": "b", "name": "g", "response": {"output": "two"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "go on"}]},
    ]


def test_arguments_are_sent_in_the_clients_own_bytes() -> None:
    assert b'"args":{"x": 1.50, "y":[]}' in write(talk(*CALLS), target(), SentOptions())


def test_the_version_without_ids_gets_none() -> None:
    body = sent(talk(*CALLS), target(api_version="v1"))

    assert b'"id"' not in json.dumps(body).encode()


def test_a_conversation_that_begins_with_calls_gets_a_users_turn_before_them() -> None:
    assert sent(talk(*CALLS[1:]))["contents"][0] == {"role": "user", "parts": [{"text": "."}]}


def test_a_users_turn_that_is_empty_does_not_bring_two_turns_of_the_model_together() -> None:
    call = turn("assistant", ToolCall("a", "f", "{}"))
    body = sent(talk(turn("assistant", Text("a")), turn("user", Text("")), call))

    assert [content["role"] for content in body["contents"]] == ["model", "user", "model"]


@pytest.mark.parametrize(
    "turns",
    [
        CALLS[:3],
        (*CALLS, turn("assistant", Text("x")), turn("user", ToolResult("a"))),
        (turn("user", ToolResult("a", (Text("x"),))),),
        (*CALLS[:3], turn("user", ToolResult("c"))),
    ],
)
def test_calls_and_results_that_do_not_match_are_refused(turns: tuple[Turn, ...]) -> None:
    with pytest.raises(Unsupported):
        write(talk(*turns), target(), SentOptions())


def test_ids_may_repeat_in_later_steps() -> None:
    again = (turn("assistant", ToolCall("a", "h", "{}")), turn("user", ToolResult("a", (Text("3"),))))
    responses = [
        part["functionResponse"]["name"]
        for content in sent(talk(*CALLS, *again))["contents"]
        for part in content["parts"]
        if "functionResponse" in part
    ]

    assert responses == ["f", "g", "h"]


def test_images_of_a_result_follow_the_results() -> None:
    image = Image(data="aW1n", media_type="image/png")
    body = sent(
        talk(
            CALLS[0],
            turn("assistant", ToolCall("a", "f", "{}")),
            turn("user", ToolResult("a", (Text("see"), image)), Text("well?")),
        )
    )

    assert [list(part) for content in body["contents"][2:] for part in content["parts"]] == [
        ["functionResponse"],
        ["inlineData"],
        ["text"],
    ]
