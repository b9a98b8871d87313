"""Recognizes by its bytes an event that repeats an earlier one but for its text. Pure.

Nearly all events of a stream do. Where the text lies is known by a parse: of the earlier event with a mark in the
place of its text. What stands around the text is the same, byte for byte, so a parse of it would tell the same again.
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
_TEXT: Final = re.compile(rb'[^"\\\x00-\x1f]{1,4096}+')  # RFC 8259, 7: what stands in a string as it is


class Repeated(msgspec.Struct, frozen=True, gc=False):
    """`head` and `tail` stand around the text as it comes, `begin` and `end` as it goes to the client."""

    head: bytes
    tail: bytes
    begin: bytes
    end: bytes
    tier: Any  # as the provider wrote it

    def text(self, data: bytes, out: list[bytes]) -> str:
        """Return the text of an event that repeats this one, and add the event for the client; else ""."""
        if not (data.startswith(self.head) and data.endswith(self.tail)):
            return ""
        found = _TEXT.fullmatch(data, len(self.head), len(data) - len(self.tail))
        if found is None:
            return ""
        raw = found[0]
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return ""  # the parser says what is wrong with it
        out += (self.begin, raw, self.end)
        return text


def repeated(data: bytes, chunk: Chunk, aliased: Aliased) -> Repeated | None:
    """Return what later events may repeat of this one; None where it has more than a text, or one with escapes."""
    text = _text_of(chunk)
    if not text:
        return None
    raw = text.encode("utf-8", "surrogatepass")
    at = data.rfind(b'"%b"' % raw) + 1
    if not at:
        return None  # it is written with escapes
    head, tail = data[:at], data[at + len(raw) :]
    marked = b"".join((head, _RAW_MARK, tail))
    again = decode_chunk(marked)
    if _text_of(again) != _MARK:
        return None  # it lies elsewhere
    out: list[bytes] = []
    aliased.event(marked, again, out)
    parts = b"".join(out).split(_RAW_MARK)
    if len(parts) != 2 or marked.count(_RAW_MARK) != 1:  # noqa: PLR2004 - what stands before it and behind it
        return None
    return Repeated(head, tail, parts[0], parts[1], chunk.service_tier)


def _text_of(chunk: Chunk) -> str:
    """Return the text of an event that has one choice, which goes on, and nothing but text in it."""
    choices = chunk.choices
    if not choices or len(choices) != 1:
        return ""
    choice = choices[0]
    delta = choice.delta or choice.message
    if choice.finish_reason or choice.error or (delta is not None and delta.audio is not None):
        return ""
    return choice.text or ("" if delta is None else produced_by(delta))
