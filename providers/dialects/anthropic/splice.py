"""The places of the members of a JSON object, to replace some of them in its bytes. Pure.

The values are split by the parser, which gives their lengths; the names between them are found by their form. Nothing
else is decoded, and all other bytes stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from providers.dialects.openai.model_alias import assemble, members
from providers.json_scan.limits import MalformedAnswer

_NAME: Final = re.compile(rb'[\s,{]*+("(?:[^"\\]++|\\.)*+")\s*+:\s*+', re.DOTALL)
_LAST: Final = re.compile(rb"[\s{]*+\}\s*+")
_NEXT: Final = re.compile(rb"[\s,]*+")
_encode = msgspec.json.Encoder().encode
_name = msgspec.json.Decoder(str).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode

Members = dict[str, msgspec.Raw]
Edit = tuple[int, int, bytes]  # start, end, and the replacement


class Place(NamedTuple):
    """Of a member: where its name begins, its value begins, and its value ends."""

    name: int
    begin: int
    end: int


def places(raw: bytes, offset: int = 0) -> dict[str, Place]:
    """Return the places of an object's members. `offset` is added to each.

    Raises msgspec.DecodeError; MalformedAnswer where a name is there twice.
    """
    at = len(raw) - len(raw.lstrip(b" \t\r\n"))
    found: dict[str, Place] = {}
    for name, value in members(raw).items():
        head = _NAME.match(raw, at)
        # Name and value are compared: with a name that is there twice, the parser's values are not all that is here.
        if head is None or _name(head[1]) != name or not raw.startswith(bytes(value), head.end()):
            raise MalformedAnswer(f"a name is there twice before '{name[:64]}'")
        at = head.end() + memoryview(value).nbytes
        found[name] = Place(head.start(1) + offset, head.end() + offset, at + offset)
    # With a name that is there twice, the values have fewer bytes than the object.
    if _LAST.fullmatch(raw, at) is None:
        raise MalformedAnswer("a name is there twice")
    return found


def inside(raw: bytes, place: Place) -> dict[str, Place]:
    """Return the places of the members of a value that is an object; none of another one."""
    value = raw[place.begin : place.end]
    return places(value, place.begin) if value[:1] == b"{" else {}


def items(raw: bytes, begin: int, end: int) -> list[tuple[int, int]]:
    """Return the places of the elements of a list. Raises msgspec.DecodeError."""
    found: list[tuple[int, int]] = []
    at = begin + 1
    for element in _elements(raw[begin:end]):
        gap = _NEXT.match(raw, at)
        assert gap is not None  # noqa: S101 - it may be empty
        at = gap.end() + memoryview(element).nbytes
        found.append((gap.end(), at))
    return found


def applied(raw: bytes, edits: Iterable[Edit]) -> bytes:
    """Return the bytes with these edits, which do not overlap."""
    whole = memoryview(raw)
    pieces: list[bytes | memoryview] = []
    at = 0
    for begin, end, instead in sorted(edits):
        pieces += (whole[at:begin], instead)
        at = end
    return b"".join([*pieces, whole[at:]])


def without(given: dict[str, Place], names: Iterable[str]) -> list[Edit]:
    """Return the edits that remove members with the comma beside each."""
    removed = {name for name in names if name in given}
    edits: list[Edit] = []
    order = list(given)
    is_first = True
    for at, name in enumerate(order):
        if name not in removed:
            is_first = False
        elif at + 1 < len(order) and is_first:
            edits.append((given[name].name, given[order[at + 1]].name, b""))
        else:
            begin = given[name].name if is_first else given[order[at - 1]].end
            edits.append((begin, given[name].end, b""))
    return edits


def rewritten(raw: bytes, before: Members, after: Members) -> bytes:
    """Return an object's bytes with other members: replaced and removed in place, new ones at its end.

    An object with a name that is there twice is assembled anew: the last value counts, as in parsers.
    """
    try:
        given = places(raw)
    except MalformedAnswer:
        return assemble(after)
    edits = [
        (given[name].begin, given[name].end, bytes(value))
        for name, value in after.items()
        if name in given and value is not before.get(name)
    ]
    edits += without(given, [name for name in given if name not in after])
    new = [_encode(name) + b":" + bytes(value) for name, value in after.items() if name not in given]
    if new:
        comma = b"," if given.keys() & after.keys() else b""
        end = raw.rindex(b"}")
        last = max([each.end for each in given.values()], default=end)
        edits.append((last, last, comma + b",".join(new)))
    return applied(raw, edits)


def inserted(raw: bytes, given: Sequence[tuple[str, bytes]], *, is_empty: bool) -> Edit:
    """Return the edit that puts members at the start of an object."""
    at = raw.index(b"{") + 1
    text = b",".join([_encode(name) + b":" + value for name, value in given])
    return (at, at, text if is_empty else text + b",")
