"""Collects what a client stated, each parameter once, by the first member that states it."""

from __future__ import annotations

from providers.conversation.request import Stated


class Statements:
    """`add` notes a parameter, in the names of providers/conversation/parameters.py, and the client's member."""

    __slots__ = ("_found", "_others")

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._others: list[Stated] = []

    def add(self, name: str, member: str = "") -> None:
        """`member` is the client's own name for it, if that differs."""
        if name not in self._found:
            self._found[name] = member or name

    def add_unknown(self, name: str, members: list[str]) -> None:
        """Note members that are told apart by their own names only."""
        self._others += [Stated(name, member) for member in members]

    def all(self) -> tuple[Stated, ...]:
        """Return all of them, in the order in which they were noted."""
        return (*[Stated(name, member) for name, member in self._found.items()], *self._others)
