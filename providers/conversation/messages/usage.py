"""Converts the usage of the Messages API to the disjoint Usage. Pure.

`input_tokens` is what no cache had, `output_tokens` is everything produced. Source: Anthropic's API reference,
"Messages", "Prompt caching", "Streaming". A provider's mistake never gives negative or huge counts.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.usage import LONGEST_TOOL, USUAL_TIERS, ToolCount, Usage

_MOST: Final = 100_000_000  # tokens; more than any call can use
_MOST_NAME: Final = 64
_FAST: Final = "fast"
_COUNTS: Final = (
    "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens",
)  # fmt: skip


class UsageJson(msgspec.Struct):
    """The members that are read, of any type: a wrong type must not make a response undecodable."""

    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_creation: Any = None
    output_tokens_details: Any = None
    server_tool_use: Any = None
    service_tier: Any = None
    inference_geo: Any = None
    speed: Any = None
    iterations: Any = None


def merged(known: UsageJson | None, given: UsageJson) -> UsageJson:
    """Return the usage after another report: it is cumulative, so a count replaces the one before; what it leaves out
    stays.
    """
    if known is None:
        return given
    return UsageJson(
        *[
            getattr(known, name) if (value := getattr(given, name)) is None else value
            for name in UsageJson.__struct_fields__
        ]
    )


def usage_of(given: UsageJson) -> Usage | None:
    """Return the disjoint vector; None: no count is stated.

    With `iterations`, what is billed is their sum: the top level leaves some out.
    """
    steps = _iterations(given.iterations)
    counts = [_counted(msgspec.to_builtins(given))] if not steps else [_counted(step) for step in steps]
    if not steps and all(getattr(given, name) is None for name in _COUNTS):
        return None
    total = [sum(several) for several in zip(*counts, strict=True)]
    uncached, read, written, written_1h, output, thinking = total
    tier = given.service_tier if given.speed != _FAST else _FAST
    return Usage(
        input_tokens=uncached,
        cached_input_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=written_1h,
        output_tokens=output - thinking,
        reasoning_tokens=thinking,
        tool_calls=_tools(given.server_tool_use),
        service_tier=tier[:_MOST_NAME] if isinstance(tier, str) and tier not in USUAL_TIERS else "",
        place=given.inference_geo[:_MOST_NAME] if isinstance(given.inference_geo, str) else "",
        estimated=any(_is_bad(getattr(given, name)) for name in _COUNTS),
    )


def prompt_usage(given: UsageJson) -> Usage | None:
    """Return what a stream's first event states of the prompt. Its few output tokens are not those of the response."""
    usage = usage_of(given)
    return None if usage is None else msgspec.structs.replace(usage, output_tokens=0, reasoning_tokens=0)


def _iterations(given: Any) -> list[dict[str, Any]]:
    """Return the steps that are billed. One that was refused before its output is free."""
    if not isinstance(given, list):
        return []
    steps = [each for each in given if isinstance(each, dict)]
    return [each for each in steps if _count(each.get("output_tokens"))] or steps


def _counted(given: dict[str, Any]) -> tuple[int, int, int, int, int, int]:
    """Return the tokens without cache, read from it, written for minutes and for an hour, the output, its thinking."""
    split, details = given.get("cache_creation"), given.get("output_tokens_details")
    written = _count(given.get("cache_creation_input_tokens"))
    hour = _part(split, "ephemeral_1h_input_tokens")
    written = max(written, hour + _part(split, "ephemeral_5m_input_tokens"))
    output = _count(given.get("output_tokens"))
    thinking = min(_part(details, "thinking_tokens"), output)
    read = _count(given.get("cache_read_input_tokens"))
    return _count(given.get("input_tokens")), read, written - hour, hour, output, thinking


def _tools(used: Any) -> tuple[ToolCount, ...]:
    """Return the calls of tools that the provider ran: `web_search_requests` counts those of `web_search`."""
    if not isinstance(used, dict):
        return ()
    counts = {
        name.removesuffix("_requests"): number
        for name, value in used.items()
        if len(name) <= LONGEST_TOOL and (number := _count(value))
    }
    return tuple([ToolCount(name, number) for name, number in counts.items()])


def _part(details: Any, name: str) -> int:
    return _count(details.get(name)) if isinstance(details, dict) else 0


def _count(value: Any) -> int:
    return 0 if value is None or _is_bad(value) else int(value)


def _is_bad(value: Any) -> bool:
    if value is None:
        return False
    is_number = type(value) is int or (type(value) is float and value.is_integer())
    return not is_number or not 0 <= value <= _MOST
