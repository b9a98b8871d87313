"""Errors that come with a status of success: in an event of a stream, or in the place of an answer. Pure.

Sources of the shapes: OpenAI, OpenRouter and Anthropic (`error`), vLLM (`object: "error"`), FastChat (`error_code`),
FastAPI (`detail`), llama.cpp (a field of its own, providers/sse.py), Mistral and OpenRouter (`finish_reason: "error"`),
Google (a list), MiniMax (`base_resp`), Zhipu and others (`success`, `msg`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

_ERROR: Final = "error"
# Finish reasons of a choice that its server broke off, in small letters. Sources: OpenRouter, Mistral, vLLM and SGLang
# (abort), TensorRT-LLM (cancelled, timeout), DeepSeek (insufficient_system_resource), Zhipu (network_error).
_BROKEN_OFF: Final = frozenset(
    {_ERROR, "abort", "cancelled", "insufficient_system_resource", "network_error", "timeout"}
)
MOST_BODY: Final = 64 * 1024  # of an error; no honest one is longer
_STATES: Final = frozenset({"error", "failed", "failure"})
_TELLING: Final = (
    "error", "errors", "error_code", "error_msg", "error_message", "errorMessage", "message", "Message", "msg",
    "detail", "details",
)  # fmt: skip
_encode = msgspec.json.Encoder().encode


def is_error(document: Any) -> bool:
    """Tell whether a document without choices reports an error. An empty error (`{}`, "", false) is none."""
    while isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return False
    if _ERROR in (document.get("object"), document.get("type")) or document.get("success") is False:
        return True
    state = document.get("status")
    if isinstance(state, str) and state.lower() in _STATES:
        return True
    base = document.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return True
    return any(_tells(name, document.get(name)) for name in _TELLING)


def _tells(name: str, value: Any) -> bool:
    """An object called `message` is the beginning of an answer in Anthropic's words, and no error."""
    is_words = name in {"message", "Message", "msg"}
    return bool(value) and not (is_words and not isinstance(value, str | list))


def choice_error(choices: Any) -> bytes | None:
    """Return what the first choice that failed says of it, as an error's body; None where none failed."""
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and (choice.get("error") or has_failed(choice.get("finish_reason"))):
            return body_of(choice.get("error") or f"finish_reason: {choice.get('finish_reason')}")
    return None


def has_failed(reason: Any) -> bool:
    """Tell whether a finish reason says that the choice was broken off: what came of it is not all of it."""
    return isinstance(reason, str) and reason.lower() in _BROKEN_OFF


def body_of(error: Any) -> bytes:
    """Return an error, or the words of one, as a document of its own, in the shape that verdicts are given on."""
    body = _encode({"error": {"message": error} if isinstance(error, str) else error})
    return body if len(body) <= MOST_BODY else b'{"error":{"message":"an error of many words"}}'
