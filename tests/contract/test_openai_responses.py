"""The official OpenAI client's Responses against the configuration of `make run`: the demo models speak only chat."""

from __future__ import annotations

import json

import openai
import pytest
import yaml
from pydantic import BaseModel

from tests.support.servers.gateway import Gateway
from tests.support.sources import ROOT

KEY = "sk-demo.my-secret"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Recipe(BaseModel):
    name: str
    minutes: int


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    config = yaml.safe_load((ROOT / "deploy/demo.yaml").read_text())
    env = {"ROUTER_METERING_ALLOW_VOLATILE": "true"}  # the tests' folder may be on a RAM disk
    with Gateway(config, tmp_path_factory.mktemp("demo") / "data", env) as server:
        yield server


@pytest.fixture
def client(demo):
    with demo.openai_sync(KEY) as client:
        yield client


def test_client_gets_a_response(client):
    answer = client.responses.create(model="demo-chat", input="Hello")
    assert (answer.model, answer.status) == ("demo-chat", "completed")
    assert answer.output_text
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_client_streams(client):
    with client.responses.stream(model="demo-chat", input="Hello") as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert said == final.output_text != ""
    assert final.usage.output_tokens > 0


def test_client_parses_structured_output(client):
    answer = client.responses.parse(model="demo-chat", input="A recipe, please.", text_format=Recipe)
    assert isinstance(answer.output_parsed, Recipe)


@pytest.mark.parametrize("streams", [False, True])
def test_client_runs_a_loop_of_tools(client, streams):
    asked = [{"role": "user", "content": "What is the weather in Paris?"}]
    required = {"type": "function", "name": "get_weather"}
    answer = client.responses.create(
        model="demo-chat", input=asked, tools=[WEATHER], tool_choice=required, stream=streams
    )
    response = list(answer)[-1].response if streams else answer
    [call] = [item for item in response.output if item.type == "function_call"]
    assert call.name == "get_weather"
    assert set(json.loads(call.arguments)) == {"city"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    history = [*asked, *[item.model_dump(exclude_none=True) for item in response.output], result]
    again = client.responses.create(model="demo-chat", input=history, tools=[WEATHER])
    assert again.output_text


def test_client_raises_the_errors_of_the_gateway(client):
    with pytest.raises(openai.NotFoundError) as missing:
        client.responses.create(model="no-such-model", input="hi")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="demo-chat", input="hi", truncation="auto")
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "truncation")
