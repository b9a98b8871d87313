"""Anthropic's own client against the configuration of `make run`, whose models speak OpenAI's API."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
import yaml

from tests.support.servers.gateway import Gateway
from tests.support.servers.upstream import CALL_S, NO_AUTHORITIES
from tests.support.sources import ROOT

KEY = "sk-demo.my-secret"
QUESTION = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
# What Claude Code sends with every call.
CLAUDE_CODE = {
    "betas": ["claude-code-20250219", "interleaved-thinking-2025-05-14", "context-management-2025-06-27"],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0; cch=01234;"},
        {"type": "text", "text": "You are helpful.", "cache_control": {"type": "ephemeral"}},
    ],
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": "user_0123_account__session_4567"},
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    config = yaml.safe_load((ROOT / "deploy/demo.yaml").read_text())
    env = {"ROUTER_METERING_ALLOW_VOLATILE": "true"}  # the tests' folder may be on a RAM disk
    with Gateway(config, tmp_path_factory.mktemp("demo") / "data", env) as server:
        yield server


@pytest.fixture
def client(demo):
    with anthropic.Anthropic(
        api_key=KEY,
        base_url=demo.url,
        max_retries=0,
        timeout=CALL_S,
        http_client=anthropic.DefaultHttpxClient(verify=NO_AUTHORITIES),
    ) as client:
        yield client


@pytest.fixture
async def async_client(demo):
    async with anthropic.AsyncAnthropic(
        auth_token=KEY,
        base_url=demo.url,
        max_retries=0,
        timeout=CALL_S,
        http_client=anthropic.DefaultAsyncHttpxClient(verify=NO_AUTHORITIES),
    ) as client:
        yield client


def create(client, **more):
    return client.messages.create(**{"model": "demo-chat", "max_tokens": 200, "messages": QUESTION, **more})


def test_client_gets_a_message(client):
    message = create(client)
    [block] = message.content
    assert block.type == "text"
    assert block.text
    assert (message.type, message.role, message.model, message.stop_reason) == (
        "message",
        "assistant",
        "demo-chat",
        "end_turn",
    )
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0
    assert message._request_id.startswith("req_")  # noqa: SLF001 - the client's name for Request-Id


def test_client_streams_the_same_message(client):
    whole = create(client)
    with client.messages.stream(model="demo-chat", max_tokens=200, messages=QUESTION) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert [block.text for block in message.content] == [block.text for block in whole.content]
    assert message.usage.output_tokens == whole.usage.output_tokens
    assert message.usage.input_tokens == whole.usage.input_tokens
    assert message.stop_reason == "end_turn"
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


async def test_async_client_streams(async_client):
    stream = await create(async_client, stream=True)
    events = [event async for event in stream]
    assert events[0].message.usage.input_tokens > 0
    assert events[-2].delta.stop_reason == "end_turn"


def test_a_short_cap_shows(client):
    message = create(client, max_tokens=3)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens <= 3


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_client_calls_tools(client, choice):
    message = create(client, tools=[WEATHER], tool_choice=choice)
    [call] = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == "tool_use"
    assert call.name == "get_weather"
    assert "city" in call.input


def test_a_streamed_call_has_the_same_input(client):
    arguments = {"tools": [WEATHER], "tool_choice": {"type": "any"}}
    whole = create(client, **arguments)
    with client.messages.stream(model="demo-chat", max_tokens=200, messages=QUESTION, **arguments) as stream:
        message = stream.get_final_message()
    assert [block.input for block in message.content] == [block.input for block in whole.content]


def test_a_result_is_answered(client):
    asked = create(client, tools=[WEATHER], tool_choice={"type": "any"})
    [call] = [block for block in asked.content if block.type == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    history = [
        *QUESTION,
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": [result, {"type": "text", "text": "And now?"}]},
    ]
    assert create(client, messages=history, tools=[WEATHER]).content[0].text


def test_the_tool_runner_goes_on_without_a_thread(client):
    cities = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        cities.append(city)
        return "sunny"

    runner = client.beta.messages.tool_runner(
        model="demo-chat",
        max_tokens=200,
        messages=QUESTION,
        tools=[get_weather],
        tool_choice={"type": "any"},
        max_iterations=2,
    )
    message = runner.until_done()
    assert message.content
    assert cities


def test_claude_codes_members_are_no_obstacle(client):
    message = client.beta.messages.create(
        model="demo-chat", max_tokens=200, messages=QUESTION, tools=[WEATHER], **CLAUDE_CODE
    )
    assert message.content


def error_in(failure: anthropic.APIStatusError) -> dict[str, Any]:
    body: Any = failure.body
    found: dict[str, Any] = body["error"]
    return found


def test_a_server_tool_is_refused_by_its_place(client):
    with pytest.raises(anthropic.BadRequestError) as refused:
        create(client, tools=[WEATHER, {"type": "web_search_20250305", "name": "web_search"}])
    assert error_in(refused.value)["code"] in {"unsupported_parameter", "feature_unpriced"}


def test_errors_are_the_clients_own(client):
    with pytest.raises(anthropic.NotFoundError) as unknown:
        create(client, model="none")
    assert error_in(unknown.value)["type"] == "not_found_error"
    assert str(unknown.value.request_id).startswith("req_")
    with pytest.raises(anthropic.AuthenticationError):
        create(client.with_options(api_key="sk-demo.wrong"))


def test_tokens_are_counted(client):
    counted = client.messages.count_tokens(model="demo-chat", messages=QUESTION, system="Be kind")
    assert counted.input_tokens > 3


def test_models_are_listed_in_pages(client):
    names = [model.id for model in client.models.list(limit=1)]
    assert "demo-chat" in names
    assert client.models.retrieve("demo-chat").display_name == "demo-chat"
