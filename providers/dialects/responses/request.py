"""The request body sent upstream, Responses to Responses: the client's bytes with only the necessary changes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.dialects.anthropic.splice import rewritten
from providers.dialects.base import Shape
from providers.dialects.openai.model_alias import assemble, members
from providers.dialects.responses.marks import is_foreign, restored
from providers.isolation.ownership import MARK_BYTES, SEAL
from providers.isolation.tenant_salt import MEMBERS, member_at
from providers.registry import responses_model
from providers.requests.layout import splice
from providers.target import Target

CAP: Final = "max_output_tokens"
_SEALED: Final = f'"{SEAL}'.encode()
_encode = msgspec.json.Encoder().encode
_items = msgspec.json.Decoder(list[msgspec.Raw])


class _Item(msgspec.Struct):
    encrypted_content: Any = None


_item = msgspec.json.Decoder(_Item)


def body_for(shape: Shape, raw: bytes, target: Target, *, has_cap: bool = True) -> bytes:
    """Return the body for this target; the same bytes when there is nothing to change.

    Its prompt cache is the tenant's own, by a name that is added where the client gives none.
    """
    layout = shape.layout
    parts = members(raw) if layout is None else layout.parts()
    before = dict(parts)
    if shape.salt is not None:
        shape.salt.salt(parts, member_at(target))
    model = responses_model(target)
    if model != shape.alias:
        parts["model"] = msgspec.Raw(_encode(model))
    if has_cap and shape.output_cap is not None and shape.output_cap != shape.stated_cap:
        parts[CAP] = msgspec.Raw(_encode(shape.output_cap))
    if parts != before or not shape.exact:
        raw = rewritten(raw, before, parts) if layout is None else splice(raw, layout, parts)
    ownership = None if shape.salt is None else shape.salt.ownership
    raw = restored(raw, ownership, target.accepts_state_of)
    return _without_foreign(raw) if MARK_BYTES in raw or _SEALED in raw else raw


def own_names(shape: Shape, raw: bytes, target: Target) -> dict[str, bytes]:
    """Return the client's values of the members that are sent salted: a response repeats what was sent."""
    if shape.salt is None:
        return {}
    parts = members(raw) if shape.layout is None else shape.layout.parts()
    names = MEMBERS.intersection(parts) | ({member_at(target)} - {""})
    return {name: bytes(parts[name]) if name in parts else b"null" for name in names}


def _without_foreign(raw: bytes) -> bytes:
    """Leave out the reasoning of other accounts, and of other APIs: the provider could not read it."""
    parts = members(raw)
    given = parts.get("input")
    if given is None or bytes(memoryview(given)[:1]) != b"[":
        return raw
    items = _items.decode(given)
    kept = [item for item in items if not _has_foreign(item)]
    if len(kept) == len(items):
        return raw
    parts["input"] = msgspec.Raw(b"[" + b",".join([bytes(item) for item in kept]) + b"]")
    return assemble(parts)


def _has_foreign(item: msgspec.Raw) -> bool:
    try:
        return is_foreign({"encrypted_content": _item.decode(item).encrypted_content})
    except msgspec.ValidationError:
        return False
