"""Reads from chunks that are not quite OpenAI's how much a model produced in them. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.dialects.base import SOUND_CHARS_IN_A_TOKEN
from providers.outline import outline_of
from providers.outline_limits import Limits, NotJson, OverLimit

LONG: Final = 64 * 1024  # a chunk of fewer bytes is read in a few milliseconds, whatever is in it
_MANY: Final = 2**31
_MOST_SOUNDS: Final = 100_000  # tokens
_READ: Final = Limits(values=5_000, messages=_MANY, parts=_MANY, inputs=_MANY, members=_MANY, runs=64)
_NOT_PRODUCED = frozenset({"role", "id", "type", "index", "finish_reason", "object", "model", "created"})
_any = msgspec.json.Decoder()


def is_busy(data: bytes) -> bool:
    """Tell whether a chunk would take long to read: a long one with more values in it than anybody writes."""
    if len(data) <= LONG:
        return False
    try:
        outline_of(data, _READ)
    except (OverLimit, NotJson):
        return True
    return False


def bytes_of(data: bytes) -> int:
    """Return the UTF-8 bytes of all text in the choices of a chunk; of one that is long or cannot be read, its own."""
    if len(data) > LONG:
        return len(data)
    try:
        chunk = _any.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return len(data)
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    return _text(choices) if choices is not None else 0


def sound_in(audio: Any) -> tuple[int, int]:
    """Return the base64 characters of sound in a delta's `audio`, and the bytes of the words beside it."""
    if not isinstance(audio, dict):
        return 0, 0
    data = audio.get("data")
    return len(data) if isinstance(data, str) else 0, _text(audio.get("transcript"))


def sounds_of(several: list[Any]) -> str:
    """Return about as many tokens of text as there are of sound in the messages of an answer."""
    found = [sound_in(audio) for audio in several]
    tokens = sum([-(-chars // SOUND_CHARS_IN_A_TOKEN) + words // 4 for chars, words in found])
    return " sound" * min(tokens, _MOST_SOUNDS)


def produced_by(delta: Any) -> str:
    """Return everything in a delta or message that a model had to produce as text."""
    thoughts = (delta.reasoning_content, delta.reasoning, delta.reasoning_text, delta.thinking)
    parts = [delta.content, delta.refusal, *dict.fromkeys(thoughts)]  # some send one under two names
    calls = [call.function for call in delta.tool_calls or () if call.function is not None]
    if delta.function_call is not None:
        calls.append(delta.function_call)
    parts += [text for call in calls for text in (call.name, call.arguments)]
    return "".join([part for part in parts if part])


def text_of(choices: list[Any]) -> str:
    """Return everything that a model had to produce in the choices of a whole answer."""
    whole = [each.message or each.delta for each in choices]
    said = [each.text or "" for each in choices] + [produced_by(each) for each in whole if each]
    return "".join(said) + sounds_of([each.audio for each in whole if each])


def _text(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, list):
        return sum([_text(item) for item in value])
    if isinstance(value, dict):
        return sum([_text(item) for name, item in value.items() if name not in _NOT_PRODUCED])
    return 0
