"""OpenAPI schemas of bodies that are not modeled: the fields the gateway acts on; all other fields pass through."""

from __future__ import annotations

from typing import Any

from providers.requests.caps import MOST_CAP

_ERRORS = {  # integer keys, because ninja merges its own by integer
    400: "The body cannot be acted on",
    401: "No key, or not a valid one",
    403: "Not allowed: tenant, scope or model",
    404: "No such model",
    413: "The body is too large",
    429: "Over a rate limit, or the budget is used up",
    502: "The provider failed",
    503: "Nothing can serve this at the moment",
    504: "The provider took too long",
}
_ENVELOPE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def operation(
    required: list[str],
    properties: dict[str, Any],
    example: dict[str, Any],
    *,
    answer: str = "As OpenAI answers; `model` is the alias",
    envelope: dict[str, Any] = _ENVELOPE,
) -> dict[str, Any]:
    """Return what an operation documents beside its path."""
    schema = {"type": "object", "required": required, "properties": properties, "additionalProperties": True}
    errors = {
        status: {"description": text, "content": {"application/json": {"schema": envelope}}}
        for status, text in _ERRORS.items()
    }
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {200: {"description": answer}, **errors},
    }


CHAT = operation(
    ["model", "messages"],
    {
        "model": {"type": "string", "description": "An alias from GET /v1/models"},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "additionalProperties": True},
        },
        "stream": {"type": "boolean", "default": False},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "max_completion_tokens": {"type": "integer", "minimum": 0, "maximum": MOST_CAP},
        "max_tokens": {"type": "integer", "minimum": 0, "maximum": MOST_CAP},
        "n": {"type": "integer", "minimum": 1, "maximum": 128},
    },
    {"model": "demo-chat", "messages": [{"role": "user", "content": "Say hello."}]},
)
COMPLETIONS = operation(
    ["model", "prompt"],
    {
        "model": {"type": "string", "description": "An alias from GET /v1/models"},
        "prompt": {"description": "A string, a list of strings, token ids, or a list of those"},
        "stream": {"type": "boolean", "default": False},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "max_tokens": {"type": "integer", "minimum": 0, "maximum": MOST_CAP, "default": 16},
        "n": {"type": "integer", "minimum": 1, "maximum": 128},
    },
    {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 64},
)
RESPONSES = operation(
    ["model"],
    {
        "model": {"type": "string", "description": "An alias from GET /v1/models"},
        "input": {"description": "A string, or a list of items"},
        "instructions": {"type": ["string", "null"]},
        "stream": {"type": "boolean", "default": False},
        "max_output_tokens": {"type": "integer", "minimum": 0, "maximum": MOST_CAP},
        "previous_response_id": {"type": ["string", "null"], "description": "Of this gateway"},
    },
    {"model": "demo-chat", "input": "Say hello."},
)
EMBEDDINGS = operation(
    ["model", "input"],
    {
        "model": {"type": "string", "description": "An alias from GET /v1/models"},
        "input": {"description": "A string, a list of strings, token ids, or a list of those"},
        "encoding_format": {"type": "string", "enum": ["float", "base64"]},
        "dimensions": {"type": "integer", "minimum": 1},
    },
    {"model": "demo-embed", "input": "The quick brown fox"},
)
SIMULATE = operation(
    [],
    {
        "endpoint": {
            "type": "string",
            "enum": ["chat.completions", "completions", "embeddings", "messages", "responses"],
            "description": "By shape if not given",
        },
        "body": {
            "type": "object",
            "description": "The request; or send its members directly",
            "additionalProperties": True,
        },
    },
    {
        "endpoint": "chat.completions",
        "body": {"model": "demo-chat", "messages": [{"role": "user", "content": "Say hello."}]},
    },
)
SIMULATE["responses"][200] = {"description": "The report; `admitted` says whether the call would be made"}
