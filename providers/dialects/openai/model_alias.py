"""Replaces the provider's model name by the alias, at the top level of an event or response and nowhere else.

Its offset comes from the parse, never from the first match in the bytes: a tool's argument may have the same name.
The beginning of an event that has been parsed once is recognized by its bytes in the following events.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from providers.dialects.openai.chunks import Chunk
from providers.json_scan.limits import NO_LIMIT, Limits
from providers.json_scan.outline import outline_of
from providers.requests.layout import NAMES, Layout, layout_of, splice

_ANY: Final = Limits(
    nesting=512,
    values=NO_LIMIT,
    messages=NO_LIMIT,
    parts=NO_LIMIT,
    inputs=NO_LIMIT,
    members=NO_LIMIT,
    runs=64,
)
_MODEL: Final = frozenset({"model"})
BEGIN: Final = b"data: "  # of an event
END: Final = b"\n\n"
_BRACKET: Final = b"]"[0]
_NAME: Final = b'"model"'
_ESCAPED: Final = b"\\u006"  # how each letter of the name may be escaped; no server escapes other letters
_USAGE: Final = b'"usage"'
_NULL: Final = b',"usage":null'
_HEAD: Final = re.compile(  # members that are numbers, literals and strings, then the model: nothing nested before it
    rb'\{\s*+(?:"[^"\\]*+"\s*+:\s*+(?:"(?:[^"\\]|\\.)*+"|[^\s"{}\[\],]++)\s*+,\s*+)*?"model"\s*+:\s*+("(?:[^"\\]|\\.)*+")'
)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def members(raw: bytes) -> dict[str, msgspec.Raw]:
    """Split a JSON object. A duplicate key keeps its last value, as in parsers. Raises msgspec.DecodeError."""
    try:
        return _members.decode(raw)
    except UnicodeDecodeError as error:  # in a name
        raise msgspec.DecodeError(str(error)) from error


def assemble(parts: dict[str, msgspec.Raw]) -> bytes:
    """Assemble the members into an object, in their order."""
    pieces: list[bytes | msgspec.Raw] = [b"{"]  # joined with one copy of each value
    for name, value in parts.items():
        pieces += (NAMES.get(name) or _encode(name) + b":", value, b",")
    pieces[-1] = b"}" if parts else b"{}"
    return b"".join(pieces)


class Aliased:
    """For a stream or response. `drops_null`: remove a top-level `"usage": null`, which the client did not request."""

    __slots__ = ("_alias", "_drops_null", "_head", "_own_head")

    def __init__(self, alias: str, *, drops_null: bool = False) -> None:
        self._alias, self._drops_null = _encode(alias), drops_null
        self._head = self._own_head = b""

    def event(self, data: bytes, chunk: Chunk, out: list[bytes]) -> None:
        """Append the client's event for this data, which was parsed as this chunk."""
        head, is_null = self._head, self._drops_null and chunk.usage is None
        if not head or not data.startswith(head):
            if not is_null and data.find(_NAME) < 0 and data.find(_ESCAPED) < 0:
                out += (BEGIN, data, END)
                return
            if not self._learn_head(data):
                out += (BEGIN, self.whole(data, has_null=is_null), END)
                return
            head = self._head
        elif data.find(_NAME, len(head)) >= 0 or data.find(_ESCAPED, len(head)) >= 0:
            # The name may be repeated at the top level.
            out += (BEGIN, self.whole(data, has_null=is_null), END)
            return
        if not is_null:
            out += (self._own_head, data[len(head) :], END)
            return
        at = data.rfind(_NULL)
        after = data[at + len(_NULL) :]
        # With only strings and numbers after it, it is at the top level.
        is_last = after == b"}" or (after.find(b"}") == len(after) - 1 and _BRACKET not in after)
        if at > 0 and is_last and data.find(_USAGE, 0, at) < 0:
            out += (self._own_head, data[len(head) : at], after, END)
        else:
            out += (BEGIN, self.whole(data, has_null=True), END)

    def whole(self, data: bytes, *, has_null: bool = False, sane: bytes | None = None) -> bytes:
        """Do the same by splitting the document. `sane` is `data` repaired, where parsing needed that.

        Raises msgspec.DecodeError, OverLimit, NotJson, Unfit.
        """
        if sane is not None:
            names = _MODEL | {"usage"} if has_null and self._drops_null else _MODEL
            return self.spliced(data, layout_of(sane, outline_of(sane, _ANY), names))
        parts = members(data)
        if has_null and self._drops_null:
            del parts["usage"]
        if "model" in parts:
            parts["model"] = msgspec.Raw(self._alias)
        return assemble(parts)

    def _learn_head(self, data: bytes) -> bool:
        """Store how events begin, up to their model; not if there may be another one, or a usage before it."""
        found = _HEAD.match(data)
        if found is None or found.group().find(_USAGE) >= 0:
            return False
        if data.find(_NAME, found.end()) >= 0 or data.find(_ESCAPED) >= 0:
            return False
        self._head = found.group()
        self._own_head = b"data: %b%b" % (data[: found.start(1)], self._alias)
        return True

    def spliced(self, data: bytes, layout: Layout) -> bytes:
        """Do the same where the offsets of the members are known."""
        if not layout.values:
            return data
        has_model = "model" in layout.values
        return splice(data, layout, {"model": msgspec.Raw(self._alias)} if has_model else {})
