"""The vendor's own bill: its usage as disjoint counts, and their cost by a price sheet in nano-USD a token.

Written from the vendors' documentation of their usage, apart from the gateway's own readers.
"""

from __future__ import annotations

from typing import Any

from providers.simulator.core.exchange import Bill

Vector = dict[str, int]
Prices = dict[str, dict[str, int]]  # by model, "*" for any; input, cache_read, cache_write[_1h], output
_WRITES = {"5m": "cache_write", "30m": "cache_write", "1h": "cache_write_1h", "12h": "cache_write_1h"}


def vector(bill: Bill) -> Vector:
    """Return what is billed, in disjoint counts."""
    found = _BY_API[bill.api](bill.usage)
    return {
        name: found.get(name, 0)
        for name in ("input", "cache_read", "cache_write", "cache_write_1h", "output")
    }


def cost(counts: Vector, model: str, prices: Prices) -> int | None:
    """Return nano-USD, or None for a model without prices."""
    sheet = prices.get(model) or prices.get("*")
    if sheet is None:
        return None
    return sum(count * sheet.get(name, sheet["input"]) for name, count in counts.items())


def _chat(usage: dict[str, Any]) -> Vector:
    details = usage.get("prompt_tokens_details") or {}
    read, written = details.get("cached_tokens", 0), details.get("cache_write_tokens", 0)
    return {
        "input": usage["prompt_tokens"] - read - written,
        "cache_read": read,
        "cache_write": written,
        "output": usage.get("completion_tokens", 0),
    }


def _responses(usage: dict[str, Any]) -> Vector:
    details = usage["input_tokens_details"]
    read, split = details.get("cached_tokens", 0), details.get("cache_write_tokens_details") or {}
    short, long = split.get("ttl_30m_tokens", 0), split.get("ttl_12h_tokens", 0)
    return {
        "input": usage["input_tokens"] - read - short - long,
        "cache_read": read,
        "cache_write": short,
        "cache_write_1h": long,
        "output": usage["output_tokens"],
    }


def _messages(usage: dict[str, Any]) -> Vector:
    split = usage["cache_creation"]
    return {
        "input": usage["input_tokens"],
        "cache_read": usage["cache_read_input_tokens"],
        "cache_write": split["ephemeral_5m_input_tokens"],
        "cache_write_1h": split["ephemeral_1h_input_tokens"],
        "output": usage["output_tokens"],
    }


def _converse(usage: dict[str, Any]) -> Vector:
    counts = {
        "input": usage["inputTokens"],
        "cache_read": usage["cacheReadInputTokens"],
        "output": usage["outputTokens"],
    }
    for detail in usage.get("cacheDetails", ()):
        name = _WRITES[detail["ttl"]]
        counts[name] = counts.get(name, 0) + detail["inputTokens"]
    return counts


def _gemini(usage: dict[str, Any]) -> Vector:
    read = usage.get("cachedContentTokenCount", 0)
    return {
        "input": usage["promptTokenCount"] - read,
        "cache_read": read,
        "output": usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0),
    }


def _embeddings(usage: dict[str, Any]) -> Vector:
    names = ("prompt_tokens", "inputTokens", "promptTokenCount")
    return {"input": next(usage[name] for name in names if name in usage)}


_BY_API = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "converse": _converse,
    "gemini": _gemini,
    "embeddings": _embeddings,
}
