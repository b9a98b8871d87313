"""Usage in OpenAI's arithmetic of Responses: everything inside the two totals. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from providers.reported_usage.reading import UsageJson, count_of, in_tier, usage_of
from providers.usage import ToolCount, Usage

# Items of tools that the provider runs and bills by the call.
HOSTED_CALLS: Final = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}


def document_of(usage: Usage) -> dict[str, Any]:
    """Return the `usage` of a response."""
    return {
        "input_tokens": usage.total_input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.total_output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def usage_in(response: Any) -> Usage | None:
    """Return the usage of a response object; None: it states none that can be used."""
    given = response.get("usage") if isinstance(response, dict) else None
    if not isinstance(given, dict):
        return None
    usage = in_tier(usage_of(msgspec.convert(given, UsageJson)), response.get("service_tier"))
    calls = _tools(response) if usage is not None else ()
    return msgspec.structs.replace(usage, tool_calls=calls) if usage is not None and calls else usage


def _tools(response: dict[str, Any]) -> tuple[ToolCount, ...]:
    """Return the calls of hosted tools: the items of the output, but searches as `tool_usage` counts them."""
    output = response.get("output")
    counts = _counted(output if isinstance(output, list) else ())
    searches = count_of(object_in(object_in(response, "tool_usage"), "web_search").get("num_requests"))
    if searches is not None and searches >= 0:
        counts["web_search"] = searches
    return tuple([ToolCount(name, quantity) for name, quantity in counts.items() if quantity])


def _counted(items: Iterable[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        kind = item.get("type") if isinstance(item, dict) else None
        name = HOSTED_CALLS.get(kind) if isinstance(kind, str) else None
        is_billed = name != "web_search" or object_in(item, "action").get("type", "search") == "search"
        if name is not None and is_billed:
            counts[name] = counts.get(name, 0) + 1
    return counts


def object_in(given: Any, name: str) -> dict[str, Any]:
    """Return a member that is an object; an empty one where it is not."""
    value = given.get(name) if isinstance(given, dict) else None
    return value if isinstance(value, dict) else {}
