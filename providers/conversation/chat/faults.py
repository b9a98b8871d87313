"""Says what is wrong with a body: the path of a member that has a wrong type, or that chat does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from providers.conversation.chat import body as types
from providers.conversation.chat import loose_body
from providers.json_scan.lenient import read_any
from providers.requests.money_classes import Unacceptable

_WHERE: Final = re.compile(r"(.*) - at `\$\.?(.*)`$", re.DOTALL)
_MOST: Final = 64  # members that are listed; routing needs the first one only
# The types of elements, by the name of their list.
_ELEMENTS: Final[dict[str, Any]] = {
    "messages": loose_body.LooseMessage,
    "content": loose_body.LoosePart,
    "tool_calls": types.ToolCall,
    "thinking_blocks": types.ThinkingBlock,
    "tools": loose_body.LooseTool,
    "functions": loose_body.LooseFunctionTool,
    "stop": str,
    "modalities": str,
}
_PARTS: Final = {"image_url": types.ImageUrl, "input_audio": types.InputAudio, "file": types.File}
_CALLS: Final = {"function": types.Function, "custom": types.Custom}
_OWN: Final = (None, "function", "custom")  # types of tools that the client runs
_FORMATS: Final = {"json_schema": types.JsonSchema}
_TOOLS: Final = {"function": types.FunctionTool, "custom": types.CustomTool}


def invalid(raw: bytes, error: msgspec.ValidationError) -> Unacceptable:
    """Return the refusal of a body whose members have wrong types."""
    found = _WHERE.match(str(error))
    words, path = (found[1], found[2]) if found is not None else (str(error), "")
    path = _with_indexes(raw, path)
    words = words[:1].lower() + words[1:]
    return Unacceptable(f"Invalid value for '{path}': {words}.", path, "invalid_value")


def wrong(path: str, words: str) -> Unacceptable:
    """Return the refusal of one member's value."""
    return Unacceptable(f"Invalid value for '{path}': {words}.", path, "invalid_value")


def _with_indexes(raw: bytes, path: str) -> str:
    """Return the path with the index of each element, which the decoder does not tell."""
    done, value = "", raw
    for step in path.split("."):
        name = step.removesuffix("[...]")
        done += f".{name}" if done else name
        try:
            value = bytes(msgspec.json.decode(value, type=dict[str, msgspec.Raw])[name])
            if name != step:
                index, value = _first_invalid(value, _ELEMENTS[name])
                done += f"[{index}]"
        except (msgspec.DecodeError, KeyError):
            return path.replace("[...]", "")
    return done


def _first_invalid(several: bytes, kind: Any) -> tuple[int, bytes]:
    """Raises KeyError."""
    for index, each in enumerate(msgspec.json.decode(several, type=list[msgspec.Raw])):
        try:
            msgspec.json.decode(each, type=kind)
        except msgspec.ValidationError:
            return index, bytes(each)
    raise KeyError(kind)


def unknown_in(raw: bytes) -> list[str]:
    """Return the paths of members that chat does not have and that are not null."""
    found: list[str] = []
    for path in _unknown(read_any(raw)):
        found.append(path)
        if len(found) == _MOST:
            break
    return found


def _unknown(document: Any) -> Iterator[str]:
    yield from _beyond(document, types.Body, "")
    for place, message in enumerate(document["messages"]):
        where = f"messages[{place}]."
        yield from _beyond(message, types.Message, where)
        yield from _of_each(message, "content", types.Part, _PARTS, where)
        yield from _of_each(message, "tool_calls", types.ToolCall, _CALLS, where)
        yield from _beyond(message.get("function_call"), types.Function, f"{where}function_call.")
    yield from _of_each(document, "tools", types.ToolOf, _TOOLS, "")
    yield from _of_each(document, "functions", types.FunctionTool, {}, "")
    yield from _inside(document.get("response_format"), types.ResponseFormatOf, _FORMATS, "response_format.")


def _of_each(holder: Any, name: str, kind: Any, nested: dict[str, Any], where: str) -> Iterator[str]:
    several = holder.get(name)
    for index, each in enumerate(several if isinstance(several, list) else ()):
        yield from _inside(each, kind, nested, f"{where}{name}[{index}].")


def _inside(given: Any, kind: Any, nested: dict[str, Any], where: str) -> Iterator[str]:
    if not isinstance(given, dict) or (kind is types.ToolOf and given.get("type") not in _OWN):
        return
    yield from _beyond(given, kind, where)
    for name, inner in nested.items():
        yield from _beyond(given.get(name), inner, f"{where}{name}.")


def _beyond(given: Any, kind: type[msgspec.Struct], where: str) -> Iterator[str]:
    if isinstance(given, dict):
        for name, value in given.items():
            if value is not None and name not in kind.__struct_fields__:
                yield f"{where}{name[:64]}"
