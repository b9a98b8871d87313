"""Reads `input` of Responses into turns. Pure.

Items of the assistant that follow each other are one turn, and so are results of calls; every other message is a turn
of its own. What comes before the first turn, in the roles system and developer, is the system prompt.
"""

from __future__ import annotations

from typing import Any, Final

from providers.conversation.content import (
    Audio,
    CacheMark,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from providers.conversation.parameters import UNKNOWN
from providers.conversation.request import Role, Turn
from providers.conversation.responses.findings import Findings, invalid, text_in
from providers.conversation.responses.reasoning_items import thinking_of

_SYSTEM: Final = frozenset({"system", "developer"})
_TEXTS: Final = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_CALLS: Final = {"function_call": False, "custom_tool_call": True}
_RESULTS: Final = {"function_call_output": False, "custom_tool_call_output": True}
_PDF: Final = "application/pdf"


class Input:
    """The turns read so far. `system` is what came before them."""

    def __init__(self, found: Findings) -> None:
        self.system: list[Text] = []
        self._found = found
        self._turns: list[tuple[Role, list[Part]]] = []
        self._joins = ""  # the kind of turn that the next item of the same kind continues

    @property
    def turns(self) -> tuple[Turn, ...]:
        return tuple([Turn(role, tuple(parts)) for role, parts in self._turns])

    def add(self, item: Any, where: str) -> None:
        """Add one item. Raises Unacceptable."""
        if not isinstance(item, dict):
            raise invalid(where, "expected an object")
        kind = item.get("type") or ("message" if "role" in item else "")
        if kind == "message":
            self._add_message(item, where)
        elif kind in _CALLS:
            self._add_call(item, where, is_custom=_CALLS[kind])
        elif kind in _RESULTS:
            self._add_result(item, where, is_custom=_RESULTS[kind])
        elif kind == "reasoning":
            thinking = thinking_of(item, self._found)
            if thinking:
                self._found.state("thinking_history", where)
                self._add("assistant", list(thinking), "assistant")
        elif kind == "item_reference":
            self._found.state(UNKNOWN, f"{where}.item_reference")
        else:
            self._found.state("hosted_tools", f"{where}.{str(kind)[:64]}")

    def add_instructions(self, text: str) -> None:
        self.system.append(Text(text))
        self._found.state("system", "instructions")

    def add_text(self, text: str) -> None:
        """Add `input` where it is one string."""
        self._add("user", [Text(text)], "")

    def _add(self, role: Role, parts: list[Part], joins: str) -> None:
        if joins and joins == self._joins:
            self._turns[-1][1].extend(parts)
        else:
            self._turns.append((role, parts))
        self._joins = joins

    def _add_message(self, item: dict[str, Any], where: str) -> None:
        role = item.get("role")
        parts = parts_of(item.get("content"), f"{where}.content", self._found)
        if role in _SYSTEM:
            texts: list[Part] = [part for part in parts if isinstance(part, Text)]
            if len(texts) < len(parts):
                raise invalid(f"{where}.content", "expected only text in this role")
            if not self._turns:
                self.system += [part for part in parts if isinstance(part, Text)]
                self._found.state("system", where)
                return
            self._found.state("system_later", where)
            self._add("system", texts, "")
        elif role == "assistant":
            self._add("assistant", parts, "assistant")
        elif role == "user":
            self._add("user", parts, "")
        else:
            raise invalid(f"{where}.role", "expected user, assistant, system or developer")

    def _add_call(self, item: dict[str, Any], where: str, *, is_custom: bool) -> None:
        call_id, name = text_in(item, "call_id", where), self._found.name_of(item, where)
        if not call_id or not name:
            raise invalid(where, "a call has a 'call_id' and a 'name'")
        self._found.state("tool_calls", where)
        arguments = text_in(item, "input" if is_custom else "arguments", where)
        self._add("assistant", [ToolCall(call_id, name, arguments, is_custom)], "assistant")

    def _add_result(self, item: dict[str, Any], where: str, *, is_custom: bool) -> None:
        call_id = text_in(item, "call_id", where)
        if not call_id:
            raise invalid(f"{where}.call_id", "it names the call that this is the result of")
        parts = parts_of(item.get("output"), f"{where}.output", self._found)
        content = tuple([part for part in parts if isinstance(part, Text | Image | Document)])
        if len(content) < len(parts):
            raise invalid(f"{where}.output", "expected text, images and files")
        self._found.state("tool_calls", where)
        self._add("user", [ToolResult(call_id, content, is_custom=is_custom)], "results")


def parts_of(content: Any, where: str, found: Findings) -> list[Part]:
    """Return the parts of a content: a string, or a list of parts. Raises Unacceptable."""
    if isinstance(content, str):
        return [Text(content)]
    if content is None:
        return []
    if not isinstance(content, list):
        raise invalid(where, "expected a string or a list of parts")
    parts: list[Part] = []
    for place, given in enumerate(content):
        if isinstance(given, str):
            parts.append(Text(given))
        elif isinstance(given, dict):
            part = _part(given, f"{where}[{place}]", found)
            if part is not None:
                parts.append(part)
        else:
            raise invalid(f"{where}[{place}]", "expected an object")
    return parts


def _part(given: dict[str, Any], where: str, found: Findings) -> Part | None:
    kind = given.get("type")
    if kind in _TEXTS:
        return Text(text_in(given, "text", where), _cache_mark(given, where, found))
    if kind == "refusal":
        return Refusal(text_in(given, "refusal", where))
    if kind == "input_image":
        return _image(given, where, found)
    if kind == "input_file":
        return _file(given, where, found)
    if kind == "input_audio":
        return _audio(given, where, found)
    found.state(UNKNOWN, f"{where}.{str(kind)[:64]}")
    return None


def _image(given: dict[str, Any], where: str, found: Findings) -> Image | None:
    if given.get("file_id"):
        found.state("file_id", f"{where}.file_id")
        return None
    url = text_in(given, "image_url", where)
    media_type, data = data_of(url)
    if data:
        found.state("image", where)
        return Image(data=data, media_type=media_type, cache=_cache_mark(given, where, found))
    if not url:
        raise invalid(f"{where}.image_url", "expected an address")
    found.state("image_url", where)
    return Image(url=url, cache=_cache_mark(given, where, found))


def _file(given: dict[str, Any], where: str, found: Findings) -> Document | None:
    name = text_in(given, "filename", where)
    if given.get("file_id"):
        found.state("file_id", f"{where}.file_id")
        return None
    url = text_in(given, "file_url", where)
    if url:
        found.state("document_url", where)
        return Document(url=url, name=name, cache=_cache_mark(given, where, found))
    stated = text_in(given, "file_data", where)
    media_type, data = data_of(stated)
    if not (data or stated):
        raise invalid(f"{where}.file_data", "expected base64")
    found.state("document", where)
    cache = _cache_mark(given, where, found)
    return Document(data=data or stated, media_type=media_type or _PDF, name=name, cache=cache)


def _cache_mark(given: dict[str, Any], where: str, found: Findings) -> CacheMark | None:
    if not given.get("prompt_cache_breakpoint"):
        return None
    found.state("cache_marks", where)
    return CacheMark()


def _audio(given: dict[str, Any], where: str, found: Findings) -> Audio:
    sound = given.get("input_audio")
    if not isinstance(sound, dict):
        raise invalid(f"{where}.input_audio", "expected an object")
    found.state("audio", where)
    return Audio(text_in(sound, "data", where), text_in(sound, "format", where))


def data_of(url: str) -> tuple[str, str]:
    """Return the media type and the base64 of a data: address; empty for any other."""
    if url[:5].lower() != "data:":
        return "", ""
    head, _, data = url.partition(",")
    media_type, _, coding = head[5:].partition(";")
    return (media_type, data) if coding.endswith("base64") else ("", "")
