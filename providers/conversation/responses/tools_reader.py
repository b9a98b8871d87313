"""Reads the tools of a Responses body, and which of them may be called. Pure.

Tools in a namespace are functions like all others to any other API. They keep their own names there; one that is taken
gets a number. The description of the namespace stands before that of its first tool.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.parameters import UNKNOWN
from providers.conversation.request import Choosing, Tool, ToolChoice
from providers.conversation.responses.findings import Findings, decoded, invalid

_FUNCTION: Final = frozenset({"type", "name", "description", "parameters", "strict"})
_CUSTOM: Final = frozenset({"type", "name", "description", "format"})
_NAMESPACE: Final = frozenset({"type", "name", "description", "tools"})
_LONGEST: Final = 58  # of a name before its number; OpenAI and AWS take 64 characters
# They say how a tool may be loaded or called, and mean nothing where the model always has it.
_IGNORED: Final = frozenset({"defer_loading", "allowed_callers", "output_schema"})
_MODES: Final = {"auto": Choosing.AUTO, "none": Choosing.NONE, "required": Choosing.REQUIRED}
_OWN: Final = frozenset({"function", "custom"})
_NOTHING: Final = frozenset({b"null", b"false"})


def read_tools(raw: msgspec.Raw, found: Findings, where: str = "tools") -> tuple[Tool, ...]:
    """Return the client's tools; those that a provider runs are stated. Raises Unacceptable."""
    tools: list[Tool] = []
    for place, each in enumerate(_listed(raw, where)):
        if _value(each, "type", f"{where}[{place}]") == "namespace":
            tools += _group(each, f"{where}[{place}]", found)
        elif (tool := _tool(each, f"{where}[{place}]", found)) is not None:
            tools.append(tool)
    if tools:
        found.state("tools", where)
    return _with_unique_names(tools, found)


def _listed(raw: msgspec.Raw, where: str) -> list[dict[str, msgspec.Raw]]:
    return decoded(raw, where, list[dict[str, msgspec.Raw]] | None) or []


def _group(given: dict[str, msgspec.Raw], where: str, found: Findings) -> list[Tool]:
    """Return the tools of a namespace, under their own names."""
    for name in given.keys() - _NAMESPACE:
        if bytes(given[name]) not in _NOTHING:
            found.state(UNKNOWN, f"{where}.{name[:64]}")
    namespace, description = _value(given, "name", where), _value(given, "description", where) or ""
    if not isinstance(namespace, str) or not namespace or not isinstance(description, str):
        raise invalid(where, "a namespace has a name, and a description that is text")
    tools = []
    for place, each in enumerate(_listed(given.get("tools", msgspec.Raw(b"null")), f"{where}.tools")):
        tool = _tool(each, f"{where}.tools[{place}]", found)
        if tool is not None:
            about = "\n\n".join([text for text in (description, tool.description) if text])
            tools.append(
                msgspec.structs.replace(tool, description=about, namespace=namespace, own_name=tool.name)
            )
            description = ""
    return tools


def _with_unique_names(tools: list[Tool], found: Findings) -> tuple[Tool, ...]:
    """Return the tools, those of namespaces with names that no other one has."""
    taken = {tool.name for tool in tools if not tool.namespace}
    numbers: dict[str, int] = {}
    named = []
    for tool in tools:
        if not tool.namespace:
            named.append(tool)
            continue
        name, stem = tool.own_name, tool.own_name[:_LONGEST]
        while name in taken:
            number = numbers[stem] = numbers.get(stem, 1) + 1
            name = f"{stem}_{number}"
        taken.add(name)
        found.names[tool.namespace, tool.own_name] = name
        named.append(msgspec.structs.replace(tool, name=name))
    return tuple(named)


def _tool(given: dict[str, msgspec.Raw], where: str, found: Findings) -> Tool | None:
    kind = _value(given, "type", where)
    if kind not in _OWN:
        found.state("hosted_tools", f"{where}.{str(kind)[:64]}")
        return None
    known = _FUNCTION if kind == "function" else _CUSTOM
    for name in given.keys() - known - _IGNORED:
        if bytes(given[name]) not in _NOTHING:
            found.state(UNKNOWN, f"{where}.{name[:64]}")
    name, description = _value(given, "name", where), _value(given, "description", where)
    if not isinstance(name, str) or not name or not isinstance(description or "", str):
        raise invalid(where, "a tool has a name, and a description that is text")
    if kind == "custom":
        found.state("custom_tools", where)
        return Tool(name, description or "", is_custom=True, grammar=_grammar(given, where))
    strict = _value(given, "strict", where)
    if strict is not None and not isinstance(strict, bool):
        raise invalid(f"{where}.strict", "expected true or false")
    if strict:
        found.state("strict", f"{where}.strict")
    schema = bytes(given.get("parameters", b""))
    return Tool(name, description or "", b"" if schema == b"null" else schema, strict)


def _value(given: dict[str, msgspec.Raw], name: str, where: str) -> Any:
    raw = given.get(name)
    return None if raw is None else decoded(raw, f"{where}.{name}")


def _grammar(given: dict[str, msgspec.Raw], where: str) -> str:
    """Return the grammar of a custom tool's input: its syntax, and in the next lines its definition."""
    stated = _value(given, "format", where)
    if stated is None or (isinstance(stated, dict) and stated.get("type") == "text"):
        return ""
    definition = stated.get("definition") if isinstance(stated, dict) else None
    syntax = stated.get("syntax") if isinstance(stated, dict) else None
    if not isinstance(definition, str) or not isinstance(syntax or "", str):
        raise invalid(f"{where}.format", "expected the type text, or a grammar with a definition")
    return f"{syntax or 'lark'}\n{definition}"


def read_choice(raw: msgspec.Raw, found: Findings) -> ToolChoice | None:
    """Raises Unacceptable."""
    given = decoded(raw, "tool_choice")
    if given is None:
        return None
    if isinstance(given, str):
        return _mode(given, found)
    kind = given.get("type") if isinstance(given, dict) else None
    if kind in _OWN:
        name = found.name_of(given, "tool_choice")
        if not name:
            raise invalid("tool_choice.name", "expected the name of a tool")
        found.state("forced_tool_choice", "tool_choice")
        return ToolChoice(Choosing.NAMED, name)
    if kind == "allowed_tools":
        return _allowed(given, found)
    found.state("hosted_tools", "tool_choice")
    return None


def _mode(given: str, found: Findings) -> ToolChoice:
    mode = _MODES.get(given)
    if mode is None:
        raise invalid("tool_choice", "expected auto, none, required or a tool")
    if mode is Choosing.REQUIRED:
        found.state("forced_tool_choice", "tool_choice")
    elif mode is Choosing.NONE:
        found.state("tool_choice", "tool_choice")
    return ToolChoice(mode)


def _allowed(given: dict[str, Any], found: Findings) -> ToolChoice:
    tools = given.get("tools")
    listed = [each for each in tools if isinstance(each, dict)] if isinstance(tools, list) else []
    names = [found.name_of(each, f"tool_choice.tools[{place}]") for place, each in enumerate(listed)]
    allowed = tuple([name for name in names if name])
    if not isinstance(tools, list) or len(allowed) < len(tools):
        found.state("hosted_tools", "tool_choice.tools")
    found.state("allowed_tools", "tool_choice.tools")
    choice = _mode(given.get("mode") or "auto", found)
    return msgspec.structs.replace(choice, allowed=allowed)
