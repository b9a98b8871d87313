"""The parts of one candidate as blocks: text, thinking, and calls of tools, which arrive whole."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.content import OF_TEXT
from providers.conversation.events import BlockDelta, BlockEnded, BlockKind, BlockStarted, Event
from providers.conversation.gemini.thinking import OF_THOUGHT

_NO_ARGUMENTS: Final[dict[str, Any]] = {}


class Names:
    """Numbers of blocks, and ids of calls without one, for one response. `prefix` makes the ids unique elsewhere."""

    __slots__ = ("_blocks", "_calls", "_prefix", "_used")

    def __init__(self, prefix: str) -> None:
        self._prefix, self._blocks, self._calls = prefix, 0, 0
        self._used: set[str] = set()

    def block(self) -> int:
        self._blocks += 1
        return self._blocks

    def call(self, stated: Any) -> str:
        """Return the provider's id if it stated one that is new, else one of ours."""
        if isinstance(stated, str) and stated and stated not in self._used:
            self._used.add(stated)
            return stated
        self._calls += 1
        return f"call_{self._prefix}{self._calls}"


class Candidate:
    """One choice: its open block. A signed part is a block of its own, since it must return unmerged.

    A signature becomes thinking that ends with it and its place (content.Thinking), before the part that it came with.
    """

    __slots__ = ("_index", "_names", "_open", "_open_kind", "has_begun", "reason")

    def __init__(self, index: int, names: Names) -> None:
        self._index, self._names = index, names
        self._open, self._open_kind = 0, ""
        self.has_begun = False
        self.reason = ""  # the provider's, once it is finished

    def part(self, part: Any, logprobs: list[Any]) -> list[Event]:
        """Return the events of one part. `logprobs` are of its text; what was shown is removed from the list."""
        if not isinstance(part, dict):
            return []
        stated = part.get("thoughtSignature")
        signature = stated if isinstance(stated, str) else ""
        call = part.get("functionCall")
        if isinstance(call, dict):
            return self._call(call, signature)
        text = part.get("text")
        if not isinstance(text, str):
            return []
        if part.get("thought") is True:
            return self._thought(text, signature)
        return self._text(text, signature, logprobs)

    def close(self) -> list[Event]:
        """End the open block."""
        return self._end("", "")

    def _text(self, text: str, signature: str, logprobs: list[Any]) -> list[Event]:
        if signature:
            events = self._sign(signature, OF_TEXT)
            if text:
                events += [*self._of("text", text, logprobs), *self.close()]
            return events
        return self._of("text", text, logprobs) if text or logprobs else []

    def _thought(self, text: str, signature: str) -> list[Event]:
        if not signature:
            return self._of("thinking", text, []) if text else []
        began = [*self.close(), self._begin("thinking")]
        return [*began, BlockDelta(self._open, text, None, self._index), *self._end(signature, OF_THOUGHT)]

    def _call(self, call: dict[str, Any], signature: str) -> list[Event]:
        name = call.get("name")
        if not isinstance(name, str) or not name:
            return []
        call_id = self._names.call(call.get("id"))
        events = self._sign(signature, call_id) if signature else self.close()
        args = call.get("args")
        text = msgspec.json.encode(args if isinstance(args, dict) else _NO_ARGUMENTS).decode()
        events.append(self._begin("tool", call_id, name))
        return [*events, BlockDelta(self._open, text, None, self._index), *self.close()]

    def _sign(self, signature: str, place: str) -> list[Event]:
        """End the open thinking with the signature, or make thinking that is nothing but the signature."""
        if self._open_kind == "thinking":
            return self._end(signature, place)
        return [*self.close(), self._begin("thinking"), *self._end(signature, place)]

    def _of(self, kind: BlockKind, text: str, logprobs: list[Any]) -> list[Event]:
        events = [] if self._open_kind == kind else [*self.close(), self._begin(kind)]
        shown = list(logprobs) or None
        logprobs.clear()
        return [*events, BlockDelta(self._open, text, shown, self._index)]

    def _begin(self, kind: BlockKind, call_id: str = "", name: str = "") -> Event:
        self.has_begun = True
        self._open, self._open_kind = self._names.block(), kind
        return BlockStarted(self._open, kind, call_id, name, choice=self._index)

    def _end(self, signature: str, place: str) -> list[Event]:
        if not self._open_kind:
            return []
        self._open_kind = ""
        return [BlockEnded(self._open, signature, "", place, self._index)]


def logprobs_of(candidate: dict[str, Any]) -> list[Any]:
    """Return the candidate's log probabilities in OpenAI's form, for the text of this event."""
    result = candidate.get("logprobsResult")
    if not isinstance(result, dict):
        return []
    chosen, likeliest = result.get("chosenCandidates"), result.get("topCandidates")
    others = likeliest if isinstance(likeliest, list) else []
    found: list[Any] = []
    for at, token in enumerate(chosen if isinstance(chosen, list) else []):
        if isinstance(token, dict):
            top = others[at].get("candidates") if at < len(others) and isinstance(others[at], dict) else None
            tops = [_logprob(each) for each in top if isinstance(each, dict)] if isinstance(top, list) else []
            found.append({**_logprob(token), "top_logprobs": tops})
    return found


def _logprob(token: dict[str, Any]) -> dict[str, Any]:
    text, value = token.get("token"), token.get("logProbability")
    text = text if isinstance(text, str) else ""
    value = float(value) if isinstance(value, int | float) else 0.0
    return {"token": text, "logprob": value, "bytes": list(text.encode("utf-8", "replace"))}
