"""Recognizes by its bytes an event that differs from an earlier one only in its text. Pure.

Nearly all events of a stream do. The offset of the text comes from a parse of the earlier event with a marker in place
of its text. The bytes around the text are identical, so parsing them again would give the same result.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from providers.dialects.lenient.loose import produced_by
from providers.dialects.openai.chunks import Chunk, decode_chunk
from providers.dialects.openai.model_alias import Aliased

_MARK: Final = "the-text-of-an-event-5b1e"
_RAW_MARK: Final = _MARK.encode()
_TEXT: Final = re.compile(rb'[^"\\\x00-\x1f]{1,4096}+')  # RFC 8259, 7: unescaped characters of a string


class Repeated(msgspec.Struct, frozen=True, gc=False):
    """`head` and `tail` surround the text as received, `begin` and `end` as sent to the client."""

    head: bytes
    tail: bytes
    begin: bytes
    end: bytes
    tier: Any  # as the provider sent it

    def text(self, data: bytes, out: list[bytes]) -> str:
        """Return the text of an event that repeats this one, and append the client's event; else ""."""
        if not (data.startswith(self.head) and data.endswith(self.tail)):
            return ""
        found = _TEXT.fullmatch(data, len(self.head), len(data) - len(self.tail))
        if found is None:
            return ""
        raw = found[0]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return ""  # the parser reports the fault
        out += (self.begin, raw, self.end)
        return text


def repeated(data: bytes, chunk: Chunk, aliased: Aliased) -> Repeated | None:
    """Return the part of this event that later ones may repeat; None if it has more than a text, or escapes."""
    text = _text_of(chunk)
    if not text:
        return None
    raw = text.encode("utf-8", "surrogatepass")
    at = data.rfind(b'"%b"' % raw) + 1
    if not at:
        return None  # it has escapes
    head, tail = data[:at], data[at + len(raw) :]
    marked = b"".join((head, _RAW_MARK, tail))
    again = decode_chunk(marked)
    if _text_of(again) != _MARK:
        return None  # the text is elsewhere
    out: list[bytes] = []
    aliased.event(marked, again, out)
    parts = b"".join(out).split(_RAW_MARK)
    if len(parts) != 2 or marked.count(_RAW_MARK) != 1:  # noqa: PLR2004 - before and after the text
        return None
    return Repeated(head, tail, parts[0], parts[1], chunk.service_tier)


def _text_of(chunk: Chunk) -> str:
    """Return the text of an event with one choice, which continues and holds only text; else ""."""
    choices = chunk.choices
    if not choices or len(choices) != 1:
        return ""
    choice = choices[0]
    delta = choice.delta or choice.message
    if choice.finish_reason or choice.error or (delta is not None and delta.audio is not None):
        return ""
    return choice.text or ("" if delta is None else produced_by(delta))
