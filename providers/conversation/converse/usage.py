"""Converts Converse's usage to the disjoint Usage. Pure.

`inputTokens` is what no cache had, `outputTokens` is everything produced, with its reasoning. Source: Amazon Bedrock
API reference, "TokenUsage". A provider's mistake never gives negative or huge counts.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.usage import USUAL_TIERS, Usage

_MOST: Final = 100_000_000  # tokens; more than any call can use
_MOST_NAME: Final = 64
_HOUR: Final = "1h"


class UsageJson(msgspec.Struct, rename="camel"):
    """The members that are read, of any type: a wrong type must not make a response undecodable. Some regions send
    each count twice.
    """

    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_write_input_tokens: Any = None
    cache_details: Any = None
    input_token_count: Any = None
    output_token_count: Any = None
    cache_read_input_token_count: Any = None
    cache_write_input_token_count: Any = None


def usage_of(given: UsageJson, tier: Any = None) -> Usage | None:
    """Return the disjoint vector; None: no count is stated. `tier`: the response's `serviceTier`."""
    counts = [
        _first(given.input_tokens, given.input_token_count),
        _first(given.output_tokens, given.output_token_count),
        _first(given.cache_read_input_tokens, given.cache_read_input_token_count),
        _first(given.cache_write_input_tokens, given.cache_write_input_token_count),
    ]
    if all(each is None for each in counts):
        return None
    uncached, output, read, written = [_count(each) for each in counts]
    hour, others = _split(given.cache_details)
    written = max(written, hour + others)
    named = tier.get("type") if isinstance(tier, dict) else None
    return Usage(
        input_tokens=uncached,
        cached_input_tokens=read,
        cache_write_tokens=written - hour,
        cache_write_1h_tokens=hour,
        output_tokens=output,
        service_tier=named[:_MOST_NAME] if isinstance(named, str) and named not in USUAL_TIERS else "",
        estimated=any(_is_bad(each) for each in counts),
    )


def _split(details: Any) -> tuple[int, int]:
    """Return the tokens that were written for an hour, and for other times."""
    hour = others = 0
    for each in details if isinstance(details, list) else ():
        if isinstance(each, dict):
            count = _count(each.get("inputTokens"))
            hour, others = (hour + count, others) if each.get("ttl") == _HOUR else (hour, others + count)
    return hour, others


def _first(one: Any, other: Any) -> Any:
    return other if one is None else one


def _count(value: Any) -> int:
    return 0 if value is None or _is_bad(value) else int(value)


def _is_bad(value: Any) -> bool:
    if value is None:
        return False
    is_number = type(value) is int or (type(value) is float and value.is_integer())
    return not is_number or not 0 <= value <= _MOST
