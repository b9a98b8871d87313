"""OpenAPI schemas of the operations of Anthropic's API: the fields the gateway acts on."""

from __future__ import annotations

from typing import Any

from gateway.api.openapi import operation
from providers.requests.caps import MOST_CAP

_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "const": "error"},
        "error": {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "message": {"type": "string"},
                "code": {"type": "string", "description": "The gateway's own, as in docs/errors.md"},
                "param": {"type": "string"},
            },
        },
        "request_id": {"type": "string"},
    },
}
_MODEL = {"type": "string", "description": "An alias from GET /v1/models"}
_MESSAGES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "additionalProperties": True},
}
_SYSTEM = {"description": "A string, or a list of text blocks"}
_TOOLS = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
_QUESTION = [{"role": "user", "content": "Say hello."}]

MESSAGES = operation(
    ["model", "max_tokens", "messages"],
    {
        "model": _MODEL,
        "max_tokens": {"type": "integer", "minimum": 0, "maximum": MOST_CAP},
        "messages": _MESSAGES,
        "system": _SYSTEM,
        "tools": _TOOLS,
        "stream": {"type": "boolean", "default": False},
        "metadata": {"type": "object", "properties": {"user_id": {"type": "string"}}},
    },
    {"model": "demo-chat", "max_tokens": 256, "messages": _QUESTION},
    answer="As Anthropic answers; `model` is the alias",
    envelope=_ERROR,
)
COUNT_TOKENS = operation(
    ["model", "messages"],
    {"model": _MODEL, "messages": _MESSAGES, "system": _SYSTEM, "tools": _TOOLS},
    {"model": "demo-chat", "messages": _QUESTION},
    answer="`input_tokens`; the header `X-Gateway-Estimated` says that it is an estimate",
    envelope=_ERROR,
)
