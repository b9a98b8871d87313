"""Lenient parsing of what deviates from OpenAI: chunks and responses of any shape, and the output in them. Pure."""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

import msgspec
from msgspec import UNSET

from providers.dialects.base import SOUND_CHARS_IN_A_TOKEN
from providers.dialects.openai.chunks import Chunk, Delta, LooseChoice, XGroq, ends
from providers.errors.inner_errors import body_of, is_error
from providers.framing.malformed import MalformedStream
from providers.json_scan.lenient import read_any
from providers.json_scan.limits import NO_LIMIT, Limits, NotJson, OverLimit
from providers.json_scan.outline import outline_of
from providers.reported_usage.reading import usage_json

LONG: Final = 64 * 1024  # bytes; a shorter chunk is parsed in a few milliseconds, whatever its content
MOST_TEXT: Final = 1_000_000  # characters of a choice that are kept for counting
_MOST_WORDS: Final = 4_000  # bytes quoted of data that is no chunk, as an error body
_MOST_SOUNDS: Final = 100_000  # tokens
_READ: Final = Limits(
    values=5_000, messages=NO_LIMIT, parts=NO_LIMIT, inputs=NO_LIMIT, members=NO_LIMIT, runs=64
)
_NOT_PRODUCED: Final = frozenset(
    {
        "role",
        "id",
        "type",
        "index",
        "finish_reason",
        "object",
        "model",
        "created",
        "usage",
        "logprobs",
        "error",
    }
)
_MEDIA: Final = frozenset(  # content, but not text that a model generated token by token
    {
        "url",
        "data",
        "b64_json",
        "image_url",
        "file_data",
        "signature",
        "thought_signature",
        "encrypted_content",
    }
)
_DIGITS: Final = 9
_ODD_INDEX: Final = -2
_ARGUMENTS: Final = frozenset(
    {"arguments", "input"}
)  # of a tool; the model generated their names and numbers as well


def is_busy(data: bytes) -> bool:
    """Whether a chunk would take long to parse: a long one with more values than any server sends."""
    if len(data) <= LONG:
        return False
    try:
        outline_of(data, _READ)
    except (OverLimit, NotJson):
        return True
    return False


def no_chunk(data: bytes) -> MalformedStream:
    """Return what to raise for data that is no chunk, with an error body to classify it."""
    body = data if is_error(read_any(data)) else body_of(data[:_MOST_WORDS].decode("utf-8", "replace"))
    return MalformedStream(f"not a chunk: {data[:80]!r}", body)


def loosely(document: dict[str, Any]) -> Chunk:
    """Return a chunk, or a whole response, of any shape as a Chunk: its output is in `delta.content`."""
    choices, beside = document.get("choices"), document.get("x_groq")
    return Chunk(
        choices=[_choice(each) for each in choices] if isinstance(choices, list) else None,
        usage=usage_json(document.get("usage", UNSET)),
        service_tier=document.get("service_tier"),
        error=document.get("error") or None,
        x_groq=XGroq(beside.get("error")) if isinstance(beside, dict) else None,
    )


def _choice(given: Any) -> LooseChoice:
    whole = given if isinstance(given, dict) else {"text": given}
    delta, message = whole.get("delta"), whole.get("message")
    audio = next(
        (each.pop("audio") for each in (delta, message) if isinstance(each, dict) and "audio" in each), None
    )
    texts, has_more = _produced([delta, message, whole.get("text")])
    text = "".join(texts)
    reason = whole.get("finish_reason")
    return LooseChoice(
        index=index_of(whole.get("index")),
        delta=Delta(content=text[:MOST_TEXT], audio=audio),
        finish_reason=str(reason)[:64] if ends(reason) else None,
        error=whole.get("error") or None,
        has_more=has_more or bool(texts),
        unread_bytes=len(text[MOST_TEXT:].encode("utf-8", "replace")),
    )


def index_of(value: Any) -> int:
    """Return the index of a choice; null is the first one, and what is no number gets an index of its own."""
    if type(value) is int or value is None:
        return value or 0
    is_number = isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS
    return int(value) if is_number else _ODD_INDEX - crc32(repr(value).encode("utf-8", "replace"))


def _produced(values: list[Any]) -> tuple[list[str], bool]:
    """Return the texts in a value in their order, and whether it has content of another kind."""
    texts: list[str] = []
    has_more = False
    left: list[tuple[str, Any]] = [("", value) for value in reversed(values)]
    while left:
        name, value = left.pop()
        if isinstance(value, str):
            if name in _MEDIA or value.startswith("data:"):
                has_more = has_more or bool(value)
            elif value:
                texts.append(value)
        elif name in _ARGUMENTS and value and isinstance(value, list | dict):
            texts.append(msgspec.json.encode(value).decode())
        elif isinstance(value, list):
            left += [(name, each) for each in reversed(value)]
        elif isinstance(value, dict):
            left += [(key, each) for key, each in reversed(value.items()) if key not in _NOT_PRODUCED]
    return texts, has_more


def sound_in(audio: Any) -> tuple[int, int]:
    """Return the base64 characters in a delta's `audio`, and the bytes of its transcript."""
    if not isinstance(audio, dict):
        return 0, 0
    data = audio.get("data")
    words = "".join(_produced([audio.get("transcript")])[0])
    return len(data) if isinstance(data, str) else 0, len(words.encode("utf-8", "replace"))


def sounds_of(several: list[Any]) -> str:
    """Return text with about as many tokens as the audio in the messages of a response."""
    found = [sound_in(audio) for audio in several]
    tokens = sum([-(-chars // SOUND_CHARS_IN_A_TOKEN) + words // 4 for chars, words in found])
    return " sound" * min(tokens, _MOST_SOUNDS)


def produced_by(delta: Any) -> str:
    """Return everything in a delta or message that a model generated as text."""
    thoughts = (delta.reasoning_content, delta.reasoning, delta.reasoning_text, delta.thinking)
    parts = [delta.content, delta.refusal, *dict.fromkeys(thoughts)]  # some send one under two names
    calls = [call.function for call in delta.tool_calls or () if call.function is not None]
    if delta.function_call is not None:
        calls.append(delta.function_call)
    parts += [text for call in calls for text in (call.name, call.arguments)]
    return "".join([part for part in parts if part])


def text_of(choices: list[Any]) -> str:
    """Return everything that a model generated in the choices of a whole response."""
    whole = [each.message or each.delta for each in choices]
    texts = [each.text or "" for each in choices] + [produced_by(each) for each in whole if each]
    return "".join(texts) + sounds_of([each.audio for each in whole if each])
