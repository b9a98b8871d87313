"""How a response ended and what it used, in the words of Anthropic's API. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.apis import WriterContext
from providers.conversation.events import Finished, FinishReason
from providers.usage import USUAL_TIERS, Usage

BYTES_PER_TOKEN: Final = 4
_WINDOW: Final = "model_context_window_exceeded"
_PAUSED: Final = frozenset({"pause_turn", "compaction"})  # by which Anthropic's API asks the client to go on
_SEARCHES: Final = {
    "web_search": "web_search_requests",
    "web_fetch": "web_fetch_requests",
}  # of `server_tool_use`


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return the usage: `input_tokens` are those that no cache has, and `output_tokens` are all of them."""
    short, long = usage.cache_write_tokens, usage.cache_write_1h_tokens
    cached = usage.cached_input_tokens
    written: dict[str, Any] = {
        "input_tokens": usage.total_input_tokens - cached - short - long,
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": cached,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": usage.total_output_tokens,
    }
    if usage.reasoning_tokens:
        written["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    tools = {_SEARCHES[tool.name]: tool.quantity for tool in usage.tool_calls if tool.name in _SEARCHES}
    if tools:
        written["server_tool_use"] = tools
    if usage.service_tier and usage.service_tier not in USUAL_TIERS:
        written["service_tier"] = usage.service_tier
    return written


def estimated(usage: Usage | None, context: WriterContext, produced_bytes: int = 0) -> Usage:
    """Return the usage with what the provider has not reported as an estimate; for display only."""
    if usage is None:
        usage = Usage()
    if not usage.total_input_tokens:
        usage = msgspec.structs.replace(usage, input_tokens=context.prompt_tokens)
    if not usage.total_output_tokens:
        usage = msgspec.structs.replace(usage, output_tokens=-(-produced_bytes // BYTES_PER_TOKEN))
    return usage


def stop_of(finished: Finished | None, refusal: str = "") -> dict[str, Any]:
    """Return `stop_reason`, `stop_sequence`, and `stop_details` of a refusal; `refusal`: what the model said."""
    if finished is None:
        return {"stop_reason": "refusal" if refusal else "end_turn", "stop_sequence": None}
    reason = "refusal" if refusal else _reason(finished)
    written: dict[str, Any] = {"stop_reason": reason, "stop_sequence": None}
    if reason == "stop_sequence":
        written["stop_sequence"] = finished.stop_sequence
    if reason == "refusal":
        words = finished.message or refusal or None
        written["stop_details"] = {"type": "refusal", "category": None, "explanation": words}
    return written


def _reason(finished: Finished) -> str:
    if finished.reason is FinishReason.LENGTH:
        return _WINDOW if finished.vendor_reason == _WINDOW else "max_tokens"
    if finished.reason is FinishReason.TOOL_CALLS:
        return "tool_use"
    if finished.reason is FinishReason.CONTENT_FILTER:
        return "refusal"
    if finished.vendor_reason in _PAUSED:
        return finished.vendor_reason
    return "end_turn" if finished.stop_sequence is None else "stop_sequence"
