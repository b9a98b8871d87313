"""Errors sent with a success status: in an event of a stream, or in place of a response. Pure.

Sources of the shapes: OpenAI, OpenRouter and Anthropic (`error`), vLLM (`object: "error"`), FastChat (`error_code`),
FastAPI (`detail`), llama.cpp (a field of its own, providers/framing/sse.py), Mistral and OpenRouter
(`finish_reason: "error"`), Google (a list, `promptFeedback`), MiniMax (`base_resp`), Zhipu and others (`success`,
`msg`), Bedrock (`...Exception`), OpenAI's Responses (`response.failed`, `.incomplete`, `.cancelled`), Apigee
(`fault`), RFC 9457 (an HTTP `status`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

_ERROR: Final = "error"
# Finish reasons of a choice that its server aborted, in lower case. Sources: OpenRouter, Mistral, vLLM and SGLang
# (abort), TensorRT-LLM (cancelled, timeout), DeepSeek (insufficient_system_resource), Zhipu (network_error).
_BROKEN_OFF: Final = frozenset({_ERROR, "failed", "failure", "abort", "aborted", "cancelled", "canceled"}) | {
    "insufficient_system_resource", "network_error", "server_error", "internal_error", "timeout",
}  # fmt: skip
MOST_BODY: Final = 64 * 1024  # of an error; real ones are shorter
_MOST_WORDS: Final = 1_000
_STATES: Final = frozenset({"error", "failed", "failure"})
_ENDED_SO: Final = _STATES | {"incomplete", "cancelled"}  # Responses, in place of "completed"
_KINDS: Final = frozenset({_ERROR, "exception", *[f"response.{state}" for state in _ENDED_SO]})
_EXCEPTION: Final = "Exception"  # the suffix of AWS's error names
_STATUSES: Final = range(400, 600)  # HTTP errors
_ERROR_MEMBERS: Final = (
    "error", "errors", "error_code", "error_msg", "error_message", "errorMessage", "message", "Message", "msg",
    "detail", "details", "fault", "exception", "err", "__type",
)  # fmt: skip
_encode = msgspec.json.Encoder().encode


def is_error(document: Any) -> bool:
    """Return whether a document without choices is an error. An empty error (`{}`, "", false) is none."""
    while isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return False
    if document.get("success") is False or any(
        _is_in(document.get(name), _KINDS) for name in ("object", "type")
    ):
        return True
    state = document.get("status")
    if _is_in(state, _STATES):
        return True
    if any(_is_status(each) for each in (state, document.get("status_code"), document.get("code"))):
        return True
    base = document.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        return True
    return (
        any(_indicates_error(name, document.get(name)) for name in _ERROR_MEMBERS)
        or _wrapped(document) is not None
    )


def error_body(raw: bytes, document: Any) -> bytes | None:
    """Return the error body of a document without choices, for a verdict; None if it is no error.

    An error that another API nests deeper, perhaps after the whole request, is extracted: `raw` may be very long.
    """
    if not is_error(document):
        return None
    inner = _wrapped(document) if isinstance(document, dict) and not document.get(_ERROR) else None
    return raw if inner is None else body_of(inner)


def _wrapped(document: dict[str, Any]) -> Any:
    """Return the error in a terminal event of Responses, an exception of Bedrock or a block of Google's."""
    response, feedback = document.get("response"), document.get("promptFeedback")
    if isinstance(response, dict):
        if response.get(_ERROR):
            return response[_ERROR]
        state, why = response.get("status"), response.get("incomplete_details")
        if _is_in(state, _ENDED_SO) or why:
            reason = why.get("reason") if isinstance(why, dict) else why
            details = ", ".join([each for each in (state, reason) if isinstance(each, str)])
            return f"the response is not complete: {details}"[:_MOST_WORDS]
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        return {"code": feedback["blockReason"], "message": feedback.get("blockReasonMessage")}
    for name, value in document.items():
        if name.endswith(_EXCEPTION) and value and isinstance(value, dict | str):
            return {"message": value, "type": name} if isinstance(value, str) else {**value, "type": name}
    return None


def _is_in(value: Any, words: frozenset[str]) -> bool:
    return isinstance(value, str) and value.lower() in words


def _is_status(value: Any) -> bool:
    return type(value) is int and value in _STATUSES


def _indicates_error(name: str, value: Any) -> bool:
    """An object named `message` is the beginning of an Anthropic response, and no error."""
    is_words = name in {"message", "Message", "msg"}
    return bool(value) and not (is_words and not isinstance(value, str | list))


def choice_error(choices: Any) -> bytes | None:
    """Return the error of the first failed choice, as an error body; None if none failed."""
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and (choice.get("error") or has_failed(choice.get("finish_reason"))):
            return body_of(choice.get("error") or f"finish_reason: {choice.get('finish_reason')}")
    return None


def has_failed(reason: Any) -> bool:
    """Return whether a finish reason means that the choice was aborted: its content is incomplete."""
    return _is_in(reason, _BROKEN_OFF)


def body_of(error: Any) -> bytes:
    """Return an error, or its message, as a document of its own, in the shape that verdicts read."""
    body = _encode({"error": {"message": error} if isinstance(error, str) else error})
    return body if len(body) <= MOST_BODY else b'{"error":{"message":"an error of many words"}}'
