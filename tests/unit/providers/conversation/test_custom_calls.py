"""Calls of custom tools come back as such from an API that has functions only."""

from __future__ import annotations

import json

import pytest

from providers.conversation.custom_calls import CustomCalls
from providers.conversation.events import BlockDelta, BlockEnded, BlockStarted, Event
from providers.conversation.request import Conversation, Tool, Turn

TOOLS = (Tool("f"), Tool("patch", is_custom=True))


def turned(*events: Event) -> list[Event]:
    custom = CustomCalls.of(Conversation(turns=(Turn("user", ()),), tools=TOOLS))
    assert custom is not None
    return [each for event in events for each in custom.take(event)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(json.dumps({"input": 'a\n"b" ü'}), 'a\n"b" ü'), ("not json", "not json"), ('{"in": 1}', '{"in": 1}')],
)
def test_the_input_is_taken_out_of_the_arguments(arguments: str, expected: str) -> None:
    deltas = [BlockDelta(0, letter) for letter in arguments]
    found = turned(BlockStarted(0, "tool", "a", "patch"), *deltas, BlockEnded(0))
    assert found == [
        BlockStarted(0, "tool", "a", "patch", is_custom=True),
        BlockDelta(0, expected),
        BlockEnded(0),
    ]


def test_other_calls_and_texts_pass_as_they_are() -> None:
    events: tuple[Event, ...] = (
        BlockStarted(0, "tool", "a", "f"),
        BlockDelta(0, "{}"),
        BlockEnded(0),
        BlockStarted(1, "tool", "b", "patch", is_custom=True),
        BlockDelta(1, '{"input":"x"}'),
        BlockEnded(1),
        BlockStarted(2, "text"),
        BlockDelta(2, "patch"),
        BlockEnded(2),
    )
    assert turned(*events) == [*events]


def test_without_custom_tools_there_is_nothing_to_do() -> None:
    assert CustomCalls.of(Conversation(turns=(Turn("user", ()),), tools=TOOLS[:1])) is None
