"""A body that is not of the Messages API is refused by the name of the member, whatever is in it."""

from __future__ import annotations

import msgspec
import pytest

from providers.conversation.messages.request_reader import read
from providers.requests.money_classes import Unacceptable
from tests.unit.providers.conversation.messages.bodies import call, reading


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"temperature": "warm"}, "temperature"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tools": [{"name": "f"}]}, "tools[0]"),
        ({"tools": [{"name": 1, "input_schema": {}}]}, "tools[0].name"),
        ({"service_tier": "fast"}, "service_tier"),
        ({"system": [{"type": "image"}]}, "system[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "messages[0].content[0].source",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
            "messages[0].content[0].tool_use_id",
        ),
        ({"messages": [{"role": "assistant", "content": [call("t", "text")]}]}, "messages[0].content[0]"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(members, param):
    with pytest.raises(Unacceptable) as refusal:
        reading(**members)
    assert (refusal.value.param, refusal.value.code) == (param, "invalid_value")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"messages": "x"}',
        b'{"messages": ' + b"[" * 100_000,
        b'{"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": '
        + b'{"a":' * 50_000
        + b"1"
        + b"}" * 50_000
        + b"}]}]}",
        b'{"messages": [{"role": "user", "content": "\xff"}]}',
    ],
)
def test_hostile_bodies_are_refused_or_read(raw):
    try:
        assert isinstance(msgspec.structs.astuple(read(raw, None)), tuple)
    except Unacceptable as refusal:
        assert refusal.code in {"invalid_value", "invalid_json"}  # noqa: PT017 - either is right
