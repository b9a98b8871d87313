"""Turns the calls of custom tools back, where an upstream API has functions only: `{"input": "..."}` becomes the input.

A writer of an upstream API sends a custom tool as a function with the one argument `input`. The input is passed on when
the call is complete: parts of an escaped text are of no use to a client.
"""

from __future__ import annotations

import msgspec

from providers.conversation.events import BlockDelta, BlockEnded, BlockStarted, Event
from providers.conversation.request import Conversation


class _Arguments(msgspec.Struct):
    input: str


_decode = msgspec.json.Decoder(_Arguments).decode


class CustomCalls:
    """For one response. Takes the ordered events, and returns those for the client's writer."""

    __slots__ = ("_names", "_open")

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._open: dict[int, list[str]] = {}  # the arguments of the open call, by choice

    @classmethod
    def of(cls, conversation: Conversation) -> CustomCalls | None:
        """Return None where the client has no custom tools."""
        names = frozenset([tool.name for tool in conversation.tools if tool.is_custom])
        return cls(names) if names else None

    def take(self, event: Event) -> tuple[Event, ...]:
        if isinstance(event, BlockStarted):
            if event.kind == "tool" and not event.is_custom and event.name in self._names:
                self._open[event.choice] = []
                return (msgspec.structs.replace(event, is_custom=True),)
        elif isinstance(event, BlockDelta):
            if event.choice in self._open:
                self._open[event.choice].append(event.text)
                return ()
        elif isinstance(event, BlockEnded) and event.choice in self._open:
            text = _input("".join(self._open.pop(event.choice)))
            return (BlockDelta(event.block, text, choice=event.choice), event) if text else (event,)
        return (event,)


def _input(arguments: str) -> str:
    """Return the input in the arguments; what a model wrote in another form is passed as it is."""
    try:
        return _decode(arguments).input
    except (msgspec.DecodeError, RecursionError):
        return arguments
