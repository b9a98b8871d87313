"""The usage of the Messages API in disjoint parts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.conversation.messages.usage import UsageJson, merged, prompt_usage, usage_of
from providers.usage import ToolCount, Usage


def usage(**given: Any) -> Usage | None:
    return usage_of(UsageJson(**given))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"input_tokens": 3, "output_tokens": 4}, Usage(input_tokens=3, output_tokens=4)),
        (
            {"input_tokens": 3, "output_tokens": 4, "cache_creation_input_tokens": 5},
            Usage(input_tokens=3, output_tokens=4, cache_write_tokens=5),
        ),
        (
            {"input_tokens": 0, "output_tokens": 4, "cache_creation": {"ephemeral_1h_input_tokens": 5}},
            Usage(output_tokens=4, cache_write_1h_tokens=5),
        ),
        (
            {"input_tokens": 1, "output_tokens": 4, "output_tokens_details": {"thinking_tokens": 9}},
            Usage(input_tokens=1, reasoning_tokens=4),
        ),
        (
            {"input_tokens": 1, "output_tokens": 4, "server_tool_use": {"web_search_requests": 2, "x": 0}},
            Usage(input_tokens=1, output_tokens=4, tool_calls=(ToolCount("web_search", 2),)),
        ),
        (
            {"input_tokens": 1, "output_tokens": 4, "service_tier": "priority", "inference_geo": "us"},
            Usage(input_tokens=1, output_tokens=4, service_tier="priority", place="us"),
        ),
        (
            {"input_tokens": 1, "output_tokens": 4, "service_tier": "standard", "speed": "fast"},
            Usage(input_tokens=1, output_tokens=4, service_tier="fast"),
        ),
        ({"input_tokens": "x", "output_tokens": 4}, Usage(output_tokens=4, estimated=True)),
        ({"input_tokens": -1, "output_tokens": 4.0}, Usage(output_tokens=4, estimated=True)),
        ({"service_tier": "standard"}, None),
    ],
)  # fmt: skip
def test_the_parts_are_disjoint(given: dict[str, Any], expected: Usage | None) -> None:
    assert usage(**given) == expected


def test_with_iterations_their_sum_is_billed() -> None:
    steps = [
        {"type": "compaction", "input_tokens": 100, "output_tokens": 20, "cache_creation_input_tokens": 7},
        {
            "type": "message",
            "input_tokens": 10,
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 2},
        },
        {"type": "message", "model": "refused", "input_tokens": 99, "output_tokens": 0},
    ]
    found = usage(input_tokens=10, output_tokens=5, iterations=steps, service_tier="priority")
    expected = Usage(
        input_tokens=110, cache_write_tokens=7, output_tokens=23, reasoning_tokens=2, service_tier="priority"
    )
    assert found == expected


def test_a_later_report_replaces_what_it_states() -> None:
    first = UsageJson(input_tokens=3, cache_read_input_tokens=5, output_tokens=1, service_tier="priority")
    both = merged(first, UsageJson(output_tokens=8, cache_read_input_tokens=0))
    assert usage_of(both) == Usage(input_tokens=3, output_tokens=8, service_tier="priority")
    assert merged(None, first) is first
    prompt = prompt_usage(first)
    assert prompt == Usage(input_tokens=3, cached_input_tokens=5, service_tier="priority")


def test_unknown_members_are_passed_over() -> None:
    found = msgspec.json.decode(b'{"input_tokens":1,"output_tokens":2,"new":{"a":[1]}}', type=UsageJson)
    assert usage_of(found) == Usage(input_tokens=1, output_tokens=2)
