"""Turns a whole response into the only event of a stream: changed spans are replaced, all else passes unchanged. Pure.

`message` becomes `delta`, `object` that of a chunk, and tool calls get their `index`. Source: the OpenAI API
reference, "Chat" and "Streaming". Nothing is decoded, so what lenient parsers accept is preserved: NaN, halves of
surrogate pairs, numbers of any length, nested lists.
"""

from __future__ import annotations

from typing import Final

import msgspec

from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.spans import Reader
from providers.usage import Usage

Edit = tuple[int, int, bytes]  # start, end, and the replacement
MOST_EDITS: Final = 10_000  # a request has at most 128 choices, and no model calls a thousand tools at once
_CHUNK: Final = b'"chat.completion.chunk"'
_TEXT: Final = b'"text_completion"'  # chunks of completions have the name of the whole
_BOM: Final = b"\xef\xbb\xbf"
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
_NOTHING: Final = frozenset({b"null", b'""', b"[]", b"false", b"0"})


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """The edits that another process found; `malformed` is why the response is not usable."""

    malformed: str = ""
    usage: Usage | None = None
    edits: list[Edit] = []
    source: bytes | None = None  # what the edits refer to, where that differs from what was received


def as_event(raw: bytes, edits: list[Edit]) -> bytes:
    """Return the event; in JSON a line break is white space."""
    whole = memoryview(raw.translate(_ONE_LINE) if b"\n" in raw or b"\r" in raw else raw)
    pieces: list[bytes | memoryview] = [b"data: "]
    at = 0
    for begin, end, instead in edits:
        pieces += (whole[at:begin], instead)
        at = end
    return b"".join([*pieces, whole[at:], b"\n\n"])


def edits_of(raw: bytes) -> list[Edit]:
    """Return the edits of a response, in its order. Raises MalformedAnswer."""
    reader = Reader(raw)
    mark = len(_BOM) if raw.startswith(_BOM) else 0
    reader.at = mark
    edits: list[Edit] = [(0, mark, b"")] if mark else []
    first, has_object = reader.begin() + 1, False
    for name, _, _ in reader.members():
        if name == "object":
            begin, has_object = reader.at, True
            end = reader.skip()
            if raw[begin:end] != _TEXT:
                edits.append((begin, end, _CHUNK))
        elif name == "choices" and reader.next == b"[":
            for _ in reader.elements():
                edits += _of_choice(reader)
        else:
            reader.skip()
        if len(edits) > MOST_EDITS:
            raise MalformedAnswer("it holds more than any server writes")
    if not has_object:
        edits.insert(1 if mark else 0, (first, first, b'"object":%b,' % _CHUNK))
    return edits


def _of_choice(reader: Reader) -> list[Edit]:
    edits: list[Edit] = []
    has_delta = False
    if reader.next != b"{":
        reader.skip()
        return edits
    for name, begin, end in reader.members():
        if name == "message":
            edits += ((begin, end, b'"delta"'), *_of_message(reader))
        else:
            has_delta = has_delta or name == "delta"
            reader.skip()
    return [] if has_delta else edits


def _of_message(reader: Reader) -> list[Edit]:
    edits: list[Edit] = []
    if reader.next != b"{":
        begin = reader.at
        end = reader.skip()
        return [(begin, end, b"{}")] if reader.raw[begin:end] in _NOTHING else edits
    for name, _, _ in reader.members():
        if name == "tool_calls" and reader.next == b"[":
            for number, _ in enumerate(reader.elements()):
                edits += _of_call(reader, number)
        else:
            reader.skip()
    return edits


def _of_call(reader: Reader, number: int) -> list[Edit]:
    if reader.next != b"{":
        reader.skip()
        return []
    begin = reader.at + 1
    names = [name for name, _, _ in reader.members() if reader.skip()]
    if "index" in names:
        return []
    return [(begin, begin, b'"index":%d%b' % (number, b"," if names else b""))]
