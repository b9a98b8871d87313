"""A chunk of a chat stream, or a whole response, as far as its content is read.

What OpenAI sends is decoded by type. What other servers send in other types (a list as content, an object as arguments,
no index) is put into the same values.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from providers.json_scan.lenient import read_any
from providers.json_scan.repaired import in_utf8, mended
from providers.reported_usage.reading import UsageJson, usage_json

_encode = msgspec.json.Encoder().encode
_DEEPEST: Final = 4  # lists of parts inside of parts; Mistral nests two


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class Custom(msgspec.Struct):
    name: str | None = None
    input: str | None = None


class CallDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None
    extra_content: Any = None


class Delta(msgspec.Struct):
    """What a chunk adds to a choice; or the whole message."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    thinking: str | None = None
    tool_calls: list[CallDelta] | None = None
    function_call: Function | None = None
    annotations: list[dict[str, Any]] | None = None
    extra_content: Any = None

    @property
    def thoughts(self) -> str:
        """Thinking, under the name that this server gives it."""
        return self.reasoning_content or self.reasoning or self.reasoning_text or self.thinking or ""


class Logprobs(msgspec.Struct):
    content: list[Any] | None = None
    refusal: list[Any] | None = None


class Choice(msgspec.Struct):
    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None  # of servers that answer as if for completions
    finish_reason: str | None = None
    logprobs: Logprobs | None = None
    error: Any = None
    usage: Any = None


class Chunk(msgspec.Struct):
    id: str | None = None
    created: int | None = None
    choices: list[Choice] | None = None
    usage: UsageJson | UnsetType | None = UNSET
    service_tier: Any = None
    error: Any = None
    x_groq: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


def chunk_of(data: bytes) -> Chunk | None:
    """Return the chunk, or whole response, in this JSON object; None if it is none."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        text = in_utf8(data)
        document = read_any(text)
        if document is None and (again := mended(text)) is not None:
            document = read_any(again)
        return _loosely(document) if isinstance(document, dict) else None


def _loosely(document: dict[str, Any]) -> Chunk:
    choices = document.get("choices")
    return Chunk(
        id=_text(document.get("id")),
        choices=[_choice(each) for each in choices if isinstance(each, dict)]
        if isinstance(choices, list)
        else None,
        usage=usage_json(document.get("usage", UNSET)),
        service_tier=document.get("service_tier"),
        error=document.get("error") or None,
        x_groq=document.get("x_groq"),
    )


def _choice(given: dict[str, Any]) -> Choice:
    index, logprobs = given.get("index"), given.get("logprobs")
    return Choice(
        index=_number(index) or 0,
        delta=_delta(given.get("delta")),
        message=_delta(given.get("message")),
        text=_text(given.get("text")),
        finish_reason=_text(given.get("finish_reason")),
        logprobs=Logprobs(_list(logprobs.get("content")), _list(logprobs.get("refusal")))
        if isinstance(logprobs, dict)
        else None,
        error=given.get("error") or None,
        usage=given.get("usage"),
    )


def _delta(given: Any) -> Delta | None:
    if not isinstance(given, dict):
        return Delta(content=given) if isinstance(given, str) else None
    texts, thoughts = _texts(given.get("content"))
    calls, annotations = given.get("tool_calls"), given.get("annotations")
    return Delta(
        content="".join(texts) or None,
        refusal=_text(given.get("refusal")),
        reasoning_content=_text(given.get("reasoning_content")) or "".join(thoughts) or None,
        reasoning=_text(given.get("reasoning")),
        reasoning_text=_text(given.get("reasoning_text")),
        thinking=_text(given.get("thinking")),
        tool_calls=[_call(each) for each in calls if isinstance(each, dict)]
        if isinstance(calls, list)
        else None,
        function_call=_function(given.get("function_call")),
        annotations=[each for each in annotations if isinstance(each, dict)]
        if isinstance(annotations, list)
        else None,
        extra_content=given.get("extra_content"),
    )


def _texts(content: Any, depth: int = 0) -> tuple[list[str], list[str]]:
    """Return the texts and the thoughts in a content: a string, or parts (Mistral)."""
    if isinstance(content, str):
        return [content], []
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content if isinstance(content, list) and depth < _DEEPEST else ():
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and "thinking" in part:
            inner, deeper = _texts(part["thinking"], depth + 1)
            thoughts += [*inner, *deeper]
        elif isinstance(part, dict):
            texts += [part["text"]] if isinstance(part.get("text"), str) else []
    return texts, thoughts


def _call(given: dict[str, Any]) -> CallDelta:
    function, custom = given.get("function"), given.get("custom")
    if function is None and custom is None and "name" in given:
        function = given
    return CallDelta(
        index=_number(given.get("index")),
        id=_text(given.get("id")),
        function=_function(function),
        custom=Custom(_text(custom.get("name")), _text(custom.get("input")))
        if isinstance(custom, dict)
        else None,
        extra_content=given.get("extra_content"),
    )


def _function(given: Any) -> Function | None:
    if not isinstance(given, dict):
        return None
    arguments = given.get("arguments")
    if isinstance(arguments, dict | list):  # Ollama's own form
        arguments = _encode(arguments).decode()
    return Function(_text(given.get("name")), _text(arguments))


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if type(value) in (int, float) else None


def _number(value: Any) -> int | None:
    if type(value) is int:
        return value
    is_number = isinstance(value, str) and value.isdecimal() and len(value) < 9  # noqa: PLR2004 - digits
    return int(value) if is_number else None


def _list(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) else None
