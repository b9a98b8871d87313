"""What a reader of a Responses body notes beside the conversation, and how it refuses a body. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.conversation.request import Stated
from providers.isolation.ownership import Ownership
from providers.requests.money_classes import Unacceptable


class Findings:
    """`state` notes a parameter under its name in tables, and the client's own name for its first occurrence.

    `names`: what the conversation calls the tools that the client has in namespaces, by namespace and name there.
    """

    __slots__ = ("_stated", "names", "owners", "ownership")

    def __init__(self, ownership: Ownership | None) -> None:
        self.ownership = ownership
        self.owners: set[int] = set()
        self._stated: dict[str, Stated] = {}
        self.names: dict[tuple[str, str], str] = {}

    def state(self, name: str, member: str) -> None:
        self._stated.setdefault(name, Stated(name, member))

    def name_of(self, given: Mapping[str, Any], where: str) -> str:
        """Return the conversation's name of the tool that a call or a choice names. Raises Unacceptable."""
        name = text_in(given, "name", where)
        return self.names.get((text_in(given, "namespace", where), name), name)

    @property
    def stated(self) -> tuple[Stated, ...]:
        return tuple(self._stated.values())


def invalid(member: str, why: str) -> Unacceptable:
    """Return what to raise for a value that no conversation can have."""
    return Unacceptable(f"Invalid value for '{member}': {why}.", member, "invalid_value")


def text_in(given: Mapping[str, Any], name: str, where: str) -> str:
    """Return a member that is text; "" where it is absent or null. Raises Unacceptable."""
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(f"{where}.{name}", "expected a string")
    return value


def decoded(raw: bytes | msgspec.Raw, member: str, kind: Any = Any) -> Any:
    """Decode a member's value. Raises Unacceptable."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(member, str(error)) from None
