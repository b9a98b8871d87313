"""Whose fault a 403 is: the gateway's credential's, or that of what one tenant asked. Pure.

A prompt that a moderation flags, or a firewall's page for a prompt with an SQL command in it, must not take a
deployment from everybody else. In doubt it is the credential: that is what 403 means.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import orjson

Blame = Literal["credential", "request", "firewall"]

_CODES = re.compile(
    r"content[_ -]?(policy|filter|moderation)|moderation|flagged|prohibited_content|sensitive|data_inspection"
    r"|responsible_?ai|safety",
    re.IGNORECASE,
)
_ASKED = r"\b(?:input|inputs|prompt|prompts|content|message|messages|image|text)\b"
_FOUND = r"\b(?:flagged|moderat\w+|prohibited|inappropriate|sensitive|violat\w+|harmful|unsafe)\b"
_WORDS = re.compile(rf"{_ASKED}.{{0,80}}{_FOUND}|{_FOUND}.{{0,80}}{_ASKED}", re.IGNORECASE | re.DOTALL)
_OF_A_MODERATION = frozenset({"flagged_input", "reasons", "flagged", "content_filter_result"})
_TOO_LARGE = re.compile(
    r"request too large|request is too large|larger than the (?:rate )?limit", re.IGNORECASE
)
_LONGEST = 64 * 1024
_READ = 4000  # characters of a message


def blame(body: bytes) -> Blame:
    """Tell by the body of a 403. OpenRouter sends `metadata` with reasons, others a code, a type, or only words."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return (
            "firewall" if body.lstrip()[:200].lower().startswith((b"<!doctype", b"<html")) else "credential"
        )
    error = document.get("error", document) if isinstance(document, dict) else document
    if isinstance(error, str):
        error = {"message": error}
    return "request" if isinstance(error, dict) and _is_flagged(error) else "credential"


def is_flagged(body: bytes) -> bool:
    """Tell whether an error says by its code or its details, not only in words, that what was asked is refused."""
    return _says_so(_error_in(body))


def is_too_large(body: bytes) -> bool:
    """Tell whether a 429 is for one request that no waiting helps: larger than all that a minute allows."""
    message = _error_in(body).get("message")
    return isinstance(message, str) and bool(_TOO_LARGE.search(message[:_READ]))


def _error_in(body: bytes) -> dict[str, Any]:
    if len(body) > _LONGEST:
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = document.get("error", document) if isinstance(document, dict) else document
    return error if isinstance(error, dict) else {"message": error}


def _says_so(error: dict[str, Any]) -> bool:
    inner = (error.get("metadata"), error.get("innererror"))
    if any(isinstance(each, dict) and _OF_A_MODERATION & each.keys() for each in inner):
        return True
    return any(
        isinstance(error.get(name), str) and _CODES.search(error[name][:200]) for name in ("code", "type")
    )


def _is_flagged(error: dict[str, Any]) -> bool:
    if _says_so(error):
        return True
    words = error.get("message") or error.get("detail")
    return isinstance(words, str) and bool(_WORDS.search(words[:_READ]))
