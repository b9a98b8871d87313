"""The body of a later turn begins with the bytes of the earlier one, so that the provider's prompt cache holds."""

from __future__ import annotations

from typing import Any

import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import Text, Thinking, ToolCall, ToolResult
from providers.conversation.messages.request_writer import write
from providers.conversation.request import Reasoning, Tool
from tests.support.vendors.claude_calls import conversation, deployment, turn

WEATHER = Tool("weather", "Tells it.", b'{"type":"object","properties":{"at":{"type":"string"}}}')
THOUGHT = Thinking(text="Hm.", signature="sig-1", owner=7)


def turns_of_a_job(count: int) -> list[Any]:
    made: list[Any] = [turn("user", "do it")]
    for number in range(count):
        call = ToolCall(f"call.{number}", "weather", '{"at":"x"}')
        made += [
            turn("assistant", THOUGHT, f"step {number}", call),
            turn("user", ToolResult(f"call.{number}", (Text("ok"),))),
        ]
    return made


@pytest.mark.parametrize("model", ["4.5", "5", "always"])
def test_a_later_turn_begins_with_the_bytes_of_the_earlier_one(model: str) -> None:
    target = deployment(model)

    def sent(count: int) -> bytes:
        given = conversation(
            *turns_of_a_job(count),
            tools=(WEATHER,),
            system=(Text("s"),),
            reasoning=Reasoning(effort="high"),
            stream=True,
        )
        return write(given, target, SentOptions(cap=30_000))

    for count in range(4):
        prefix, found, _ = sent(count).partition(b'],"max_tokens"')
        assert found
        assert sent(count + 1).startswith(prefix)
