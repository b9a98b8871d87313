"""Whose state a request names: stored responses, conversations, items of them. Pure.

An id that this tenant did not get from the gateway is refused as one that does not exist, whatever it is: forged, cut,
another tenant's, or the provider's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from providers.isolation.ownership import Ownership
from providers.requests.responses.items import StateName
from providers.requests.responses.reading import read_responses


class _Body(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b"null")


_body = msgspec.json.Decoder(_Body)


class Owner(NamedTuple):
    """The deployment that made what a request names. `member`: what names it; `is_required`: no other can answer."""

    id: int
    member: str
    is_required: bool


NO_OWNER = Owner(0, "", is_required=False)


class UnknownState(Exception):
    """A request names something that does not exist for this tenant."""

    def __init__(self, member: str) -> None:
        self.member = member
        super().__init__("What this request names does not exist, or belongs to another key.")


def owner_of_names(names: Iterable[StateName], ownership: Ownership | None) -> Owner:
    """Return whose state these are; NO_OWNER: they name none. Raises UnknownState."""
    found = NO_OWNER
    for name in names:
        owned = ownership.read_id(name.id) if ownership is not None else None
        if owned is None or (found.is_required and name.is_required and owned.owner != found.id):
            raise UnknownState(name.member)
        if name.is_required or not found.is_required:
            found = Owner(owned.owner, name.member, found.is_required or name.is_required)
    return found


def owner_of(raw: bytes, ownership: Ownership | None) -> int | None:
    """Return the deployment that must answer a body; 0: any may; None: it names what does not exist.

    Raises Unacceptable, msgspec.DecodeError.
    """
    given = bytes(_body.decode(raw).input)
    try:
        owner = owner_of_names(read_responses(raw, given).state, ownership)
    except UnknownState:
        return None
    return owner.id if owner.is_required else 0
