"""The rules of OpenAI's models that the simulator plays, by the names that it is called with. Pure."""

from __future__ import annotations

import re
from typing import Any

from providers.simulator.core.errors import SimulatorError

CACHE_STEP = 128  # tokens; OpenAI reads its prompt cache in multiples of it
_REASONING = re.compile(r"^(gpt-[5-9]|o\d)")
_OPENAI = re.compile(r"^(gpt-\d|o\d)")
_RESPONSES_ONLY = re.compile(r"^gpt-(5\.6|[6-9])")
_NOT_WHILE_REASONING = {
    "temperature": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
}


def hides_thinking(model: str) -> bool:
    """OpenAI shows no thinking in chat completions; compatible servers do, as `reasoning_content`."""
    return _OPENAI.match(model) is not None


def reports_writes(model: str) -> bool:
    return _RESPONSES_ONLY.match(model) is not None


def check_chat(model: str, fields: dict[str, Any]) -> None:
    """Raises SimulatorError for what a reasoning model refuses."""
    if not _REASONING.match(model):
        return
    if fields.get("max_tokens") is not None:
        raise SimulatorError(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            "instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    if fields.get("reasoning_effort") == "none":
        return
    check_sampling(fields)
    if fields.get("tools") and _RESPONSES_ONLY.match(model):
        raise SimulatorError(
            f"Function tools are not supported for {model} in /v1/chat/completions with reasoning. "
            "Please use /v1/responses instead.",
            param="tools",
            code="unsupported_parameter",
        )


def check_sampling(fields: dict[str, Any]) -> None:
    for name, default in _NOT_WHILE_REASONING.items():
        if fields.get(name) not in {None, default}:
            raise SimulatorError(
                f"Unsupported parameter: '{name}' is not supported with this model.",
                param=name,
                code="unsupported_parameter",
            )


def is_reasoning(model: str) -> bool:
    return _REASONING.match(model) is not None
