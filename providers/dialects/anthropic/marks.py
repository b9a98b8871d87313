"""Removes the marks of ownership from the thinking in a request's history, and what another account thought. Pure.

A mark is part of a signature, or of the data of redacted thinking (providers/isolation/ownership.py). It is cut out of
the bytes. A block whose mark is of another account is dropped whole: its vendor would refuse it, or drop it itself.
Blocks without a mark are not touched.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from providers.dialects.anthropic.splice import Edit, Place, applied, inside, items, places, without
from providers.isolation.ownership import MARK, MARK_BYTES, THINKING, Ownership, has_mark
from providers.target import Target

OWN_SIGNATURE: Final = b'"gw:'  # of thinking that another vendor made: no provider understands it
_MEMBER: Final = re.compile(rb'"(?:signature|data)"\s*:\s*\Z')
_LENGTH: Final = 37  # of a mark
_LONGEST_HEAD: Final = 64  # bytes before a value in which its name is searched
_KINDS: Final = frozenset({"thinking", "redacted_thinking"})
_OFF: Final = b'{"type":"disabled"}'
_text = msgspec.json.Decoder(str).decode


class _Kind(msgspec.Struct):
    type: Any = None


_kind = msgspec.json.Decoder(_Kind).decode


def without_marks(raw: bytes, target: Target, ownership: Ownership | None) -> bytes:
    """Return the body for this target; the same bytes if no mark is in it."""
    if not has_mark(raw):
        return raw
    edits = _cut(raw, target, ownership)
    return applied(raw, edits) if edits is not None else _with_dropped(raw, target, ownership)


def _cut(raw: bytes, target: Target, ownership: Ownership | None) -> list[Edit] | None:
    """Return the edits that cut out the marks; None: a block has to be dropped."""
    edits: list[Edit] = []
    at = raw.find(MARK_BYTES)
    while at >= 0:
        end = at + _LENGTH
        if raw[end : end + 1] == b'"':  # one quote for each search backwards, so that all are linear together
            begin = raw.rfind(b'"', 0, at)
            if _MEMBER.search(raw, max(0, begin - _LONGEST_HEAD), begin):
                edit = _unmarked(raw, begin, end + 1, target, ownership)
                if edit is None:
                    return None
                edits.append(edit)
        at = raw.find(MARK_BYTES, at + 1)
    return edits


def _unmarked(raw: bytes, begin: int, end: int, target: Target, ownership: Ownership | None) -> Edit | None:
    """Return the edit that cuts the mark out of a text; None: it is not this account's."""
    text = _text(raw[begin:end])
    if ownership is None:
        return None
    found = ownership.read(text, THINKING)
    if not found.owner or not target.accepts_state_of(found.owner) or raw.startswith(OWN_SIGNATURE, begin):
        return None
    return (end - 1 - (len(text) - len(found.text)), end - 1, b"")


def _with_dropped(raw: bytes, target: Target, ownership: Ownership | None) -> bytes:
    """Rewrite the history: blocks of other accounts, and messages that consist of them, are left out."""
    body = places(raw)
    edits: list[Edit] = []
    removed: list[int] = []
    spans = items(raw, body["messages"].begin, body["messages"].end) if "messages" in body else []
    for number, (begin, end) in enumerate(spans):
        if raw.find(MARK_BYTES, begin, end) >= 0:
            found = _of_message(raw, begin, end, target, ownership)
            if found is None:
                removed.append(number)
            else:
                edits += found
    edits += _removed(spans, removed)
    if "thinking" in body:
        edits += _switched_off(raw, body["thinking"])
    return applied(raw, edits)


def _of_message(
    raw: bytes, begin: int, end: int, target: Target, ownership: Ownership | None
) -> list[Edit] | None:
    """Return the edits of one message; None: nothing is left of it."""
    content = places(raw[begin:end], begin).get("content")
    if content is None or raw[content.begin : content.begin + 1] != b"[":
        return []
    blocks = items(raw, content.begin, content.end)
    edits: list[Edit] = []
    dropped: list[int] = []
    for number, (start, stop) in enumerate(blocks):
        if raw.find(MARK_BYTES, start, stop) < 0 or raw[start : start + 1] != b"{":
            continue
        if _kind(raw[start:stop]).type not in _KINDS:
            continue
        members = places(raw[start:stop], start)
        for name in ("signature", "data"):
            place = members.get(name)
            if place is None or raw.find(MARK_BYTES, place.begin, place.end) < 0:
                continue
            edit = _unmarked(raw, place.begin, place.end, target, ownership)
            if edit is None:
                dropped.append(number)
            else:
                edits.append(edit)
    if len(dropped) == len(blocks):
        return None
    return [*edits, *_removed(blocks, dropped)]


def _removed(spans: list[tuple[int, int]], numbers: list[int]) -> list[Edit]:
    """Return the edits that remove elements of a list, with the comma beside each."""
    given = {str(number): Place(begin, begin, end) for number, (begin, end) in enumerate(spans)}
    return without(given, [str(number) for number in dict.fromkeys(numbers)])


def _switched_off(raw: bytes, thinking: Place) -> list[Edit]:
    """With a budget the API wants the thinking before a tool's result: without it, the model does not think."""
    kind = inside(raw, thinking).get("type")
    if kind is None or raw[kind.begin : kind.end] != b'"enabled"':
        return []
    return [(thinking.begin, thinking.end, _OFF)]


def suffix(text: str, owner: int, ownership: Ownership | None) -> bytes:
    """Return what marks a text, to be put behind it; b"": nothing does."""
    if ownership is None or not text:
        return b""
    marked = ownership.mark(text, owner, THINKING)
    return marked[marked.rindex(MARK) :].encode()
