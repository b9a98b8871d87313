"""The usage of a response in OpenAI's arithmetic: totals, with their parts inside."""

from __future__ import annotations

from typing import Any

from providers.usage import Usage


def usage_json(usage: Usage) -> dict[str, Any]:
    """Return the `usage` member of a chat or completions response."""
    read: dict[str, Any] = {
        "cached_tokens": usage.cached_input_tokens,
        "audio_tokens": usage.audio_input_tokens,
    }
    if written := usage.cache_write_tokens + usage.cache_write_1h_tokens:
        read["cache_write_tokens"] = written
    if usage.image_input_tokens:
        read["image_tokens"] = usage.image_input_tokens
    return {
        "prompt_tokens": usage.total_input_tokens,
        "completion_tokens": usage.total_output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": read,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.audio_output_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
