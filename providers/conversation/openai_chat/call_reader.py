"""The tool calls of one choice, whatever a server leaves out: the index, the id, or both; and in one piece or many."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.events import BlockDelta, BlockEnded, BlockStarted, Event
from providers.conversation.openai_chat.chunk import CallDelta, Custom, Function

_MOST_CHECKS: Final = 4  # of one call's arguments, which may be long


class _Call:
    """A call. `block` is its number once it was started, which needs its name."""

    __slots__ = ("block", "checks", "given_id", "id", "is_custom", "is_over", "name", "parts", "signature")

    def __init__(self, call_id: str, given_id: str, *, is_custom: bool) -> None:
        self.id, self.given_id, self.is_custom = call_id, given_id, is_custom
        self.name = self.signature = ""
        self.block: int | None = None
        self.parts: list[str] = []
        self.checks = 0
        self.is_over = False

    def is_whole(self) -> bool:
        """Whether its arguments are a JSON value, so that nothing more belongs to it."""
        self.checks += 1
        if self.checks > _MOST_CHECKS or not self.parts:
            return False
        try:
            msgspec.json.decode("".join(self.parts), type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class Calls:
    """`prefix` begins the ids of calls without one; `next_block` gives the number of a new block."""

    def __init__(self, prefix: str, choice: int) -> None:
        self._prefix, self._choice = prefix, choice
        self._begun: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}  # by the id that the server gave; the latest one
        self.may_end: list[
            _Call
        ] = []  # started, and not known to go on: not all, so that many calls stay cheap

    def take(self, delta: CallDelta, next_block: int, *, is_whole: bool) -> list[Event]:
        """Return the events of one call's delta. `is_whole`: it is a call of a complete message."""
        given = delta.function or delta.custom or Function()
        name = given.name or ""
        text = (given.input if isinstance(given, Custom) else given.arguments) or ""
        out: list[Event] = []
        call = None if is_whole else self._which(delta, name)
        if call is None:
            out += self.end_whole()
            call = self._new(delta)
        if call.is_over:
            return out
        call.name = call.name or name
        call.signature = call.signature or _signature(delta.extra_content)
        if call.block is None and call.name:
            out += self._start(call, next_block)
        if text:
            call.parts.append(text)
            if call.block is not None:
                out.append(BlockDelta(call.block, text, choice=self._choice))
        return out

    def end_whole(self) -> list[Event]:
        """End the calls that are complete, because something else begins."""
        asked = [call for call in self.may_end if not call.is_over]
        out: list[Event] = [self._ended(call) for call in asked if call.is_custom or call.is_whole()]
        self.may_end = [call for call in asked if not call.is_over and call.checks <= _MOST_CHECKS]
        return out

    def end(self, next_block: int) -> list[Event]:
        """End all calls."""
        out: list[Event] = []
        for call in self._begun:
            if call.is_over:
                continue
            if call.block is None:
                started = self._start(call, next_block)
                next_block += sum(isinstance(event, BlockStarted) for event in started)
                out += started
            out.append(self._ended(call))
        return out

    def _which(self, delta: CallDelta, name: str) -> _Call | None:
        """Return the call that a delta continues; None: it begins one.

        Some servers give each call the same index, and an id of its own; others repeat the name with every delta.
        """
        if delta.index is None:
            if delta.id or name or not self._begun:
                return self._by_id.get(delta.id) if delta.id else None
            return self._begun[-1]
        latest = self._by_index.get(delta.index)
        if latest is None or not name or not latest.name:
            return latest
        if delta.id and latest.given_id:
            return latest if delta.id == latest.given_id else None
        return None if not delta.id and latest.is_whole() else latest

    def _new(self, delta: CallDelta) -> _Call:
        call_id = delta.id or f"{self._prefix}{len(self._begun)}"
        call = _Call(call_id, delta.id or "", is_custom=delta.custom is not None)
        self._begun.append(call)
        if delta.id:
            self._by_id[delta.id] = call
        if delta.index is not None:
            self._by_index[delta.index] = call
        return call

    def _start(self, call: _Call, block: int) -> list[Event]:
        out: list[Event] = []
        if call.signature:
            out += (
                BlockStarted(block, "thinking", choice=self._choice),
                BlockEnded(block, call.signature, place=call.id, choice=self._choice),
            )
            call.signature = ""
            block += 1
        call.block = block
        self.may_end.append(call)
        out.append(
            BlockStarted(block, "tool", call.id, call.name, is_custom=call.is_custom, choice=self._choice)
        )
        if call.parts:
            out.append(BlockDelta(block, "".join(call.parts), choice=self._choice))
        return out

    def _ended(self, call: _Call) -> BlockEnded:
        call.is_over = True
        assert call.block is not None  # noqa: S101 - it was started
        place = call.id if call.signature else ""
        return BlockEnded(call.block, call.signature, place=place, choice=self._choice)


def _signature(extra: Any) -> str:
    """Return Google's signature of a call (its OpenAI-compatible API)."""
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else ""
