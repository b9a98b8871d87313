"""A response's form is the model's own, or the input of a tool that must be called, or told in words."""

from __future__ import annotations

import json

import msgspec
import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.messages.request_writer import write
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Choosing, ResponseFormat, Tool, ToolChoice
from tests.support.vendors.claude_calls import conversation, deployment, written

WEATHER = Tool("weather", "Tells it.", b'{"type":"object","properties":{"at":{"type":"string"}}}')
SCHEMA = b'{"type":"object","properties":{"n":{"type":"integer","minimum":1}},"required":["n"]}'
ANY = b'{"type":"object","additionalProperties":{"type":"string"}}'


def test_a_schema_is_the_models_own_where_it_has_that() -> None:
    body = written(conversation(response_format=ResponseFormat(SCHEMA)))
    schema = body["output_config"]["format"]["schema"]
    assert schema["properties"]["n"] == {"type": "integer", "description": "{minimum: 1}"}
    assert "tools" not in body


@pytest.mark.parametrize(("model", "schema"), [("old", SCHEMA), ("4.5", ANY)])
def test_else_it_is_the_input_of_a_tool_that_must_be_called(model: str, schema: bytes) -> None:
    body = written(conversation(response_format=ResponseFormat(schema)), deployment(model))
    assert body["tool_choice"] == {"type": "tool", "name": body["tools"][0]["name"]}
    assert body["tools"][0]["input_schema"] == json.loads(schema)


def test_with_other_tools_some_tool_must_be_called() -> None:
    given = conversation(response_format=ResponseFormat(SCHEMA), tools=(WEATHER,))
    body = written(given, deployment("old"))
    assert body["tool_choice"] == {"type": "any"}
    assert len(body["tools"]) == 2
    forced = msgspec.structs.replace(given, tool_choice=ToolChoice(Choosing.REQUIRED))
    assert len(written(forced, deployment("old"))["tools"]) == 1


def test_a_schema_that_nothing_holds_is_refused() -> None:
    given = conversation(response_format=ResponseFormat(ANY))
    with pytest.raises(Unsupported, match="response_format"):
        write(given, deployment("always"), SentOptions())


def test_a_json_object_is_the_input_of_a_tool_or_told_in_words() -> None:
    given = conversation(response_format=ResponseFormat())
    assert written(given)["tool_choice"]["type"] == "tool"
    told = written(given, deployment("always"))
    assert "JSON object" in told["system"][-1]["text"]
    assert len(told["system"][-1]["text"].encode()) <= 200
