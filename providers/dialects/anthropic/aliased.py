"""What is replaced in a response: the model's name by the alias, and signatures by marked ones. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from providers.conversation.messages.answer_events import Block
from providers.dialects.anthropic.marks import suffix
from providers.dialects.anthropic.splice import Edit, Place, applied, inside, items, places
from providers.isolation.ownership import Ownership

_encode = msgspec.json.Encoder().encode
_text = msgspec.json.Decoder(str).decode
_SIGNED: Final = ("signature", "data")
KINDS: Final = frozenset({"thinking", "redacted_thinking"})


class Owner(msgspec.Struct, frozen=True):
    """Who answers: the deployment's id, and the tenant's marks; None: nothing is marked."""

    id: int
    ownership: Ownership | None = None


def with_alias(data: bytes, member: str, alias: str) -> bytes:
    """Return a JSON object with another `model`, in its member of this name ("": in itself).

    Raises msgspec.DecodeError, MalformedAnswer.
    """
    place = _within(data, places(data), member).get("model")
    return data if place is None else applied(data, [(place.begin, place.end, _encode(alias))])


def with_mark(data: bytes, member: str, owner: Owner) -> bytes:
    """Return an event with its signature, or data, marked. Raises msgspec.DecodeError, MalformedAnswer."""
    return applied(data, _marks(data, _within(data, places(data), member), owner))


def whole(raw: bytes, alias: str, owner: Owner, blocks: list[Block]) -> bytes:
    """Return a whole message with both replaced. Raises msgspec.DecodeError, MalformedAnswer."""
    top = places(raw)
    edits: list[Edit] = []
    if (model := top.get("model")) is not None:
        edits.append((model.begin, model.end, _encode(alias)))
    content = top.get("content")
    if owner.ownership is not None and content is not None and any(each.type in KINDS for each in blocks):
        spans = items(raw, content.begin, content.end)
        for block, (begin, end) in zip(blocks, spans, strict=True):
            if block.type in KINDS:
                edits += _marks(raw, inside(raw, Place(begin, begin, end)), owner)
    return applied(raw, edits)


def _within(data: bytes, top: dict[str, Place], member: str) -> dict[str, Place]:
    if not member:
        return top
    return inside(data, top[member]) if member in top else {}


def _marks(data: bytes, members: dict[str, Place], owner: Owner) -> list[Edit]:
    edits: list[Edit] = []
    for name in _SIGNED:
        place = members.get(name)
        if place is None or data[place.begin : place.begin + 1] != b'"':
            continue
        mark = suffix(_text(data[place.begin : place.end]), owner.id, owner.ownership)
        if mark:
            edits.append((place.end - 1, place.end - 1, mark))
    return edits
