"""The official OpenAI client against the configuration of `make run`, deploy/demo.yaml, unchanged."""

from __future__ import annotations

import openai
import pytest
import yaml
from pydantic import BaseModel

from tests.support.servers.gateway import Gateway
from tests.support.sources import ROOT

KEY = "sk-demo.my-secret"
QUESTION = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Recipe(BaseModel):
    name: str
    minutes: int
    steps: list[str]
    is_vegan: bool


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


@pytest.fixture
async def async_client(demo):
    async with demo.openai(KEY) as client:
        yield client


def test_client_gets_an_answer(client):
    answer = client.chat.completions.create(model="demo-chat", messages=QUESTION)
    assert answer.model == "demo-chat"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert answer._request_id  # noqa: SLF001 - the client's documented name for X-Request-ID


def test_client_streams(client):
    stream = client.chat.completions.create(
        model="demo-chat", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    whole = client.chat.completions.create(model="demo-chat", messages=QUESTION)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert {chunk.model for chunk in chunks} == {"demo-chat"}


async def test_async_client_gets_an_answer(async_client):
    answer = await async_client.chat.completions.create(model="demo-chat", messages=QUESTION, n=2)
    assert [choice.index for choice in answer.choices] == [0, 1]


async def test_async_client_streams(async_client):
    stream = await async_client.chat.completions.create(model="demo-chat", messages=QUESTION, stream=True)
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)


async def test_the_streaming_helper_collects_the_answer(async_client):
    async with async_client.chat.completions.stream(model="demo-chat", messages=QUESTION) as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content


def test_client_calls_tools(client):
    answer = client.chat.completions.create(
        model="demo-chat", messages=QUESTION, tools=[WEATHER], tool_choice="required"
    )
    [call] = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert '"city"' in call.function.arguments


def test_a_tools_result_is_answered(client):
    asked = client.chat.completions.create(
        model="demo-chat", messages=QUESTION, tools=[WEATHER], tool_choice="required"
    )
    [call] = asked.choices[0].message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    message = asked.choices[0].message.model_dump(exclude_none=True)
    answer = client.chat.completions.create(
        model="demo-chat", messages=[*QUESTION, message, result], tools=[WEATHER]
    )
    assert answer.choices[0].message.content


def test_client_streams_tool_calls(client):
    with client.chat.completions.stream(
        model="demo-chat", messages=QUESTION, tools=[WEATHER], tool_choice="required"
    ) as stream:
        [call] = stream.get_final_completion().choices[0].message.tool_calls
    assert call.function.name == "get_weather"
    assert call.function.parsed_arguments["city"] is not None


def test_client_parses_into_a_model(client):
    answer = client.chat.completions.parse(model="demo-chat", messages=QUESTION, response_format=Recipe)
    assert isinstance(answer.choices[0].message.parsed, Recipe)


@pytest.mark.parametrize("given", ["hi", ["a", "b"], [1, 2, 3], [[1], [2, 3]]])
def test_client_gets_embeddings(client, given):
    answer = client.embeddings.create(model="demo-embed", input=given)
    plain = client.embeddings.create(model="demo-embed", input=given, encoding_format="float")
    assert answer.usage.prompt_tokens > 0
    assert answer.model == "demo-embed"
    assert len(answer.data[0].embedding) > 1
    assert answer.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)


async def test_client_lists_models(async_client):
    assert {"demo-chat", "demo-embed"} <= {model.id async for model in async_client.models.list()}
    assert (await async_client.models.retrieve("demo-chat")).object == "model"


def test_errors_are_the_classes_one_catches(client, demo):
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nowhere", messages=QUESTION)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="demo-chat", messages=[])
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nowhere")
    with demo.openai_sync("sk-wrong.key") as stranger, pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert refused.value.code == "invalid_api_key"


def test_raw_answers_show_the_headers(client):
    raw = client.chat.completions.with_raw_response.create(model="demo-chat", messages=QUESTION)
    assert raw.headers["x-gateway-provider"] == "simulator"
    assert float(raw.headers["x-gateway-cost-usd"]) > 0
    assert raw.parse().choices


def test_client_completes_a_prompt(client):
    answer = client.completions.create(model="demo-chat", prompt="Hello", max_tokens=50)
    assert (answer.object, answer.model) == ("text_completion", "demo-chat")
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_client_streams_a_completion(client):
    stream = client.completions.create(
        model="demo-chat", prompt="Hello", max_tokens=50, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    whole = client.completions.create(model="demo-chat", prompt="Hello", max_tokens=50)
    assert "".join(each.text for chunk in chunks for each in chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_a_completion_that_no_chat_can_give_is_refused_by_name(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="demo-chat", prompt="Hello", suffix="!")
    assert refused.value.param == "suffix"
