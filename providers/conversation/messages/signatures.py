"""The signatures of thinking blocks that clients of the Messages API send back.

Anthropic's API wants one in each block. A vendor's own signature is marked with the deployment that made it; what
another vendor's thinking has beside its text (Gemini: the call that a signature belongs to), or that it has none, is
written into a signature of our own. Only our own that is marked by the same tenant is read.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from providers.conversation.content import Thinking
from providers.isolation.ownership import Ownership

PURPOSE: Final = "thinking"
OWN: Final = "gw:"  # no vendor's: a colon is not in base64


class _Carried(msgspec.Struct, frozen=True, array_like=True):
    """What thinking of another vendor has beside its text."""

    signature: str = ""
    place: str = ""


_carried = msgspec.json.Decoder(_Carried)


def written(signature: str, place: str, owner: int, ownership: Ownership | None) -> str:
    """Return the signature for a client."""
    if not signature or place or signature.startswith(OWN):
        document = msgspec.json.encode(_Carried(signature, place))
        signature = OWN + base64.urlsafe_b64encode(document).decode()
    return _marked(signature, owner, ownership)


def written_data(redacted: str, owner: int, ownership: Ownership | None) -> str:
    """Return the data of a block without text."""
    return _marked(redacted, owner, ownership)


def read(text: str, signature: str, ownership: Ownership | None) -> Thinking | None:
    """Return a client's thinking block; None: it is our own of another tenant, or changed."""
    found, owner = _owned(signature, ownership)
    if not found.startswith(OWN):
        return Thinking(text=text, signature=found, owner=owner)
    carried = _decoded(found) if owner or ownership is None else None
    if carried is None:
        return None
    return Thinking(text=text, signature=carried.signature, owner=owner, place=carried.place)


def read_data(data: str, ownership: Ownership | None) -> Thinking:
    """Return a client's block of redacted thinking."""
    found, owner = _owned(data, ownership)
    return Thinking(redacted=found, owner=owner)


def _marked(text: str, owner: int, ownership: Ownership | None) -> str:
    return text if ownership is None else ownership.mark(text, owner, PURPOSE)


def _owned(marked: str, ownership: Ownership | None) -> tuple[str, int]:
    return (marked, 0) if ownership is None else ownership.read(marked, PURPOSE)


def _decoded(found: str) -> _Carried | None:
    try:
        return _carried.decode(base64.urlsafe_b64decode(found.removeprefix(OWN)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
