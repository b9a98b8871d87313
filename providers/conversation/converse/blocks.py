"""The content blocks of one response of the Converse API as events. Pure.

Numbers of blocks may be shared, left out or come without a start: a block of another kind under the same number is
another block.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.converse.wire import Content, Reasoning, ToolUse
from providers.conversation.events import Annotated, BlockDelta, BlockEnded, BlockKind, BlockStarted, Event
from providers.conversation.messages.reserved import CUSTOM, JSON_TOOL, text_in

_EMPTY: Final = frozenset({b"", b"{}", b"null"})
_text = msgspec.json.Decoder(str).decode


class _Open(msgspec.Struct):
    """`number` identifies it in the events. `pieces`: of a custom tool's input, which is decoded as a whole."""

    number: int
    kind: BlockKind
    is_tool: bool = False
    is_custom: bool = False
    chars: int = 0
    signature: str = ""
    redacted: list[str] = []
    pieces: list[str] = []


class Blocks:
    __slots__ = ("_begun", "_has_json", "_has_tools", "_open")

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._begun = 0
        self._has_json = self._has_tools = False

    @property
    def has_only_json(self) -> bool:
        """Whether the only tool that was called is the one whose input is the text."""
        return self._has_json and not self._has_tools

    def start(self, at: int, content: Content) -> list[Event]:
        if content.tool_use is not None:
            return self._start_tool(at, content.tool_use)
        return []

    def delta(self, at: int, content: Content) -> list[Event]:
        if content.text is not None:
            return self._more(at, "text", content.text)
        if content.tool_use is not None:
            block = self._open.get(at)
            return self._add(block, _piece(content.tool_use.input)) if block is not None else []
        if content.reasoning_content is not None:
            return self._think(at, content.reasoning_content)
        return self._cite(at, content.citation) if content.citation is not None else []

    def stop(self, at: int) -> list[Event]:
        block = self._open.pop(at, None)
        if block is None:
            return []
        ended = BlockEnded(block.number, signature=block.signature, redacted="".join(block.redacted))
        if block.is_custom:
            return [BlockDelta(block.number, text_in("".join(block.pieces))), ended]
        if block.is_tool and not block.chars:
            return [BlockDelta(block.number, "{}"), ended]
        return [ended]

    def end(self) -> list[Event]:
        """The message is complete."""
        return [each for at in list(self._open) for each in self.stop(at)]

    def whole(self, at: int, content: Content) -> list[Event]:
        """Return the events of one block of a document."""
        if content.tool_use is not None:
            given = bytes(content.tool_use.input)
            more = "" if given.strip() in _EMPTY else given.decode("utf-8", "replace")
            out = self._start_tool(at, content.tool_use)
            return [*out, *self._add(self._open[at], more), *self.stop(at)]
        cited = content.citations_content
        if cited is not None:
            text = "".join([each.text or "" for each in cited.content or ()])
            out = self._more(at, "text", text)
            for citation in cited.citations or ():
                out += self._cite(at, citation)
            return [*out, *self.stop(at)]
        return [*self.delta(at, content), *self.stop(at)]

    def _begin(self, at: int, block: _Open, event: BlockStarted) -> list[Event]:
        before = self.stop(at)
        self._open[at] = block
        self._begun += 1
        return [*before, event]

    def _start_tool(self, at: int, tool: ToolUse) -> list[Event]:
        name, number = tool.name or "", self._begun
        is_json, is_custom = name == JSON_TOOL, name.endswith(CUSTOM)
        self._has_json, self._has_tools = self._has_json or is_json, self._has_tools or not is_json
        if is_json:
            return self._begin(at, _Open(number, "text", is_tool=True), BlockStarted(number, "text"))
        started = BlockStarted(
            number, "tool", tool.tool_use_id or "", name.removesuffix(CUSTOM), is_custom=is_custom
        )
        return self._begin(at, _Open(number, "tool", is_tool=True, is_custom=is_custom), started)

    def _more(self, at: int, kind: BlockKind, text: str) -> list[Event]:
        """Return what text of a kind becomes, with the start of its block if there is none."""
        block = self._open.get(at)
        if block is not None and block.kind == kind and not block.is_tool:
            return self._add(block, text)
        number = self._begun
        out = self._begin(at, _Open(number, kind), BlockStarted(number, kind))
        return [*out, *self._add(self._open[at], text)]

    def _add(self, block: _Open, text: str) -> list[Event]:
        if not text:
            return []
        block.chars += len(text)
        if block.is_custom:
            block.pieces.append(text)
            return []
        return [BlockDelta(block.number, text)]

    def _think(self, at: int, given: Reasoning) -> list[Event]:
        whole = given.reasoning_text
        text = given.text or (whole.text if whole is not None else "") or ""
        out = self._more(at, "thinking", text)
        block = self._open[at]
        block.signature = given.signature or (whole.signature if whole is not None else "") or block.signature
        if given.redacted_content:
            block.redacted.append(given.redacted_content)
        return out

    def _cite(self, at: int, citation: Any) -> list[Event]:
        if not isinstance(citation, dict):
            return []
        out = self._more(at, "text", "")
        block = self._open[at]
        return [*out, Annotated(block.number, _annotation(citation, block.chars))]


def _piece(raw: msgspec.Raw) -> str:
    """Return a piece of the JSON text of a tool's input; where a server sends a value, its JSON."""
    given = bytes(raw)
    if not given.startswith(b'"'):
        return "" if given in _EMPTY else given.decode("utf-8", "replace")
    try:
        return _text(given)
    except msgspec.DecodeError:
        return ""


def _annotation(citation: dict[str, Any], end: int) -> dict[str, Any]:
    """Return a citation in OpenAI's form; one that is not of a page in the vendor's."""
    location = citation.get("location")
    page = location.get("web") if isinstance(location, dict) else None
    url = page.get("url") if isinstance(page, dict) else None
    if not isinstance(url, str):
        return {"type": "citation", "citation": citation}
    found = {"start_index": 0, "end_index": end, "url": url, "title": citation.get("title") or ""}
    return {"type": "url_citation", "url_citation": found}
