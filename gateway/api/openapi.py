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


def _operation(required: list[str], properties: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties, "additionalProperties": True}
    errors = {
        status: {"description": text, "content": {"application/json": {"schema": _ENVELOPE}}}
        for status, text in _ERRORS.items()
    }
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        "responses": {200: {"description": "As OpenAI answers; `model` is the alias"}, **errors},
    }


CHAT = _operation(
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
EMBEDDINGS = _operation(
    ["model", "input"],
    {
        "model": {"type": "string", "description": "An alias from GET /v1/models"},
        "input": {"description": "A string, a list of strings, token ids, or a list of those"},
        "encoding_format": {"type": "string", "enum": ["float", "base64"]},
        "dimensions": {"type": "integer", "minimum": 1},
    },
    {"model": "demo-embed", "input": "The quick brown fox"},
)
SIMULATE = _operation(
    [],
    {
        "endpoint": {
            "type": "string",
            "enum": ["chat.completions", "embeddings"],
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
