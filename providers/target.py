"""One place a call can be sent to: what the transport, the auth and the dialect must know of a deployment."""

from __future__ import annotations

import msgspec
from typing_extensions import override


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds. `first_byte` runs from the request's last byte to a stream's first content, `idle` between two events.

    `answer` is the same wait for what is not a stream: providers send nothing before all of it is made.
    """

    connect: float = 3.0
    first_byte: float = 30.0
    answer: float = 280.0
    idle: float = 60.0
    total: float = 300.0


class Secret:
    """A credential that never prints itself."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    @override
    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable deployment as the catalog's snapshot holds it; `id` is the database row's."""

    id: int
    alias: str
    name: str
    provider: str
    upstream_model: str
    base_url: str
    secret: Secret
    api_version: str = ""
    region: str = ""
    timeouts: Timeouts = Timeouts()
    metadata: dict[str, str] = {}
    is_guarded: bool = False  # a person typed the address: it may not lead inside (providers/egress.py)
