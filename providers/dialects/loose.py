"""Reads from chunks that are not quite OpenAI's how much a model produced in them. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

_NOT_PRODUCED = frozenset({"role", "id", "type", "index", "finish_reason", "object", "model", "created"})
_any = msgspec.json.Decoder()


def bytes_of(data: bytes) -> int:
    """Return the UTF-8 bytes of all text in the choices of a chunk."""
    try:
        chunk = _any.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return 0
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    return _text(choices) if choices is not None else 0


def sound_in(audio: Any) -> tuple[int, int]:
    """Return the base64 characters of sound in a delta's `audio`, and the bytes of the words beside it."""
    if not isinstance(audio, dict):
        return 0, 0
    data = audio.get("data")
    return len(data) if isinstance(data, str) else 0, _text(audio.get("transcript"))


def _text(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, list):
        return sum([_text(item) for item in value])
    if isinstance(value, dict):
        return sum([_text(item) for name, item in value.items() if name not in _NOT_PRODUCED])
    return 0
