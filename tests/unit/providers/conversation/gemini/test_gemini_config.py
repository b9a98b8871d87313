"""Tools and the generation config of a request to Gemini."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.gemini.request_writer import write
from providers.conversation.parameters import Unsupported
from providers.conversation.request import (
    Choosing,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from tests.support.vendors.gemini_examples import (
    HELLO,
    TOOLS,
    sent,
    talk,
    target,
)


def test_tools() -> None:
    declared = sent(talk(HELLO, tools=TOOLS))["tools"][0]["functionDeclarations"]

    assert declared == [
        {
            "name": "f",
            "description": "does f",
            "parametersJsonSchema": {"type": "object", "properties": {"x": {"type": "string"}}},
        },
        {"name": "g"},
        {
            "name": "raw",
            "description": "runs it\nstart: /x/",
            "parametersJsonSchema": {
                "type": "object",
                "properties": {"input": {"type": "string"}},
                "required": ["input"],
            },
        },
    ]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        (ToolChoice(), None),
        (ToolChoice(Choosing.NONE), {"mode": "NONE"}),
        (ToolChoice(Choosing.REQUIRED), {"mode": "ANY"}),
        (ToolChoice(Choosing.NAMED, "g"), {"mode": "ANY", "allowedFunctionNames": ["g"]}),
        (
            ToolChoice(Choosing.REQUIRED, allowed=("f", "g")),
            {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
        ),
    ],
)
def test_the_choice_of_a_tool(choice: ToolChoice | None, config: Any) -> None:
    body = sent(talk(HELLO, tools=TOOLS, tool_choice=choice))
    assert body.get("toolConfig", {}).get("functionCallingConfig") == config


def test_allowed_tools_with_auto_are_the_only_ones_sent() -> None:
    body = sent(talk(HELLO, tools=TOOLS, tool_choice=ToolChoice(allowed=("g",))))
    assert body["tools"] == [{"functionDeclarations": [{"name": "g"}]}]


def test_strict_tools_are_validated() -> None:
    body = sent(talk(HELLO, tools=(msgspec.structs.replace(TOOLS[0], strict=True),)))
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


@pytest.mark.parametrize("mode", [Choosing.NONE, Choosing.AUTO])
def test_without_tools_there_is_no_tool_config(mode: Choosing) -> None:
    assert "toolConfig" not in sent(talk(HELLO, tool_choice=ToolChoice(mode)))


def test_a_forced_call_without_tools_and_a_bad_name_are_refused() -> None:
    for bad in (
        talk(HELLO, tool_choice=ToolChoice(Choosing.REQUIRED)),
        talk(HELLO, tools=(Tool("1st"),)),
        talk(HELLO, tools=(Tool("x" * 65),)),
    ):
        with pytest.raises(Unsupported):
            write(bad, target(), SentOptions())


def test_the_generation_config_keeps_zeros() -> None:
    body = sent(
        talk(
            HELLO,
            temperature=0.0,
            top_p=0.0,
            top_k=0,
            seed=0,
            presence_penalty=0.0,
            frequency_penalty=-1.5,
            n=2,
            stop=("a", "", "b"),
            logprobs=True,
            top_logprobs=3,
            max_output_tokens=50,
        )
    )

    assert body["generationConfig"] == {
        "maxOutputTokens": 50,
        "temperature": 0.0,
        "topP": 0.0,
        "topK": 0,
        "presencePenalty": 0.0,
        "frequencyPenalty": -1.5,
        "seed": 0,
        "candidateCount": 2,
        "stopSequences": ["a", "b"],
        "responseLogprobs": True,
        "logprobs": 3,
    }


def test_the_gateways_cap_is_the_only_one() -> None:
    assert sent(talk(HELLO, max_output_tokens=5000), cap=100)["generationConfig"] == {"maxOutputTokens": 100}
    assert "generationConfig" not in sent(talk(HELLO))


def test_response_formats() -> None:
    assert sent(talk(HELLO, response_format=ResponseFormat()))["generationConfig"] == {
        "responseMimeType": "application/json"
    }
    schema = b'{"type":"object","minProperties":1}'
    assert sent(talk(HELLO, response_format=ResponseFormat(schema)))["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }
