"""The tools of a chat request, in the present form and in the old one (`functions`), and the choice among them."""

from __future__ import annotations

from typing import Final

from providers.conversation.chat.body import (
    Body,
    Chosen,
    CustomTool,
    FunctionTool,
    Named,
    ToolChoiceOf,
)
from providers.conversation.chat.faults import wrong
from providers.conversation.chat.parts_reader import mark
from providers.conversation.content import CacheMark
from providers.conversation.request import Choosing, Tool, ToolChoice
from providers.conversation.stated import Statements

_NULL: Final = b"null"
_MODES: Final = {
    "auto": Choosing.AUTO,
    "none": Choosing.NONE,
    "required": Choosing.REQUIRED,
    "any": Choosing.REQUIRED,
}
_EXPECTED: Final = "expected none, auto, required, or a tool"


def tools_of(body: Body, stated: Statements) -> tuple[Tool, ...]:
    """Raises Unacceptable."""
    tools: list[Tool] = []
    for index, given in enumerate(body.tools or ()):
        where = f"tools[{index}]"
        cache: CacheMark | None = None
        if given.cache_control is not None:
            cache = mark(given.cache_control, stated, f"{where}.cache_control")
        if given.custom is not None and given.type in (None, "custom"):
            stated.add("custom_tools", where)
            tools.append(_custom(given.custom, cache))
        elif given.function is not None and given.type in (None, "function"):
            tools.append(_function(given.function, stated, f"{where}.function", cache))
        elif given.type in (None, "function", "custom"):
            raise wrong(where, "expected a function or a custom tool")
        else:
            stated.add("hosted_tools", where)
    for index, old in enumerate(body.functions or ()):
        tools.append(_function(old, stated, f"functions[{index}]", None))
    if tools:
        stated.add("tools", "tools" if body.tools else "functions")
    return tuple(tools)


def _function(given: FunctionTool, stated: Statements, where: str, cache: CacheMark | None) -> Tool:
    if given.strict:
        stated.add("strict", f"{where}.strict")
    schema = bytes(given.parameters)
    return Tool(
        given.name,
        given.description or "",
        b"" if schema == _NULL else schema,
        given.strict or None,
        cache=cache,
    )


def _custom(given: CustomTool, cache: CacheMark | None) -> Tool:
    grammar = given.format.grammar if given.format is not None else None
    return Tool(
        given.name,
        given.description or "",
        is_custom=True,
        grammar="" if grammar is None else f"{grammar.syntax}\n{grammar.definition}",
        cache=cache,
    )


def choice_of(body: Body, stated: Statements, *, has_tools: bool) -> ToolChoice | None:
    """Raises Unacceptable."""
    given: str | ToolChoiceOf | Named | None
    given, member = body.tool_choice, "tool_choice"
    if given is None and body.function_call is not None:
        given, member = body.function_call, "function_call"
    if given is None:
        return None
    choice = _choice(given, member)
    is_forced = choice.mode in (Choosing.REQUIRED, Choosing.NAMED)
    if not has_tools:
        if is_forced:
            raise wrong(member, "there are no tools to choose from")
        return None
    if choice.mode is not Choosing.AUTO:
        stated.add("tool_choice", member)
    if is_forced:
        stated.add("forced_tool_choice", member)
    if choice.allowed:
        stated.add("allowed_tools", member)
    return choice


def _choice(given: str | ToolChoiceOf | Named, member: str) -> ToolChoice:
    if isinstance(given, str):
        if given not in _MODES:
            raise wrong(member, _EXPECTED)
        return ToolChoice(_MODES[given])
    if isinstance(given, Named):
        return ToolChoice(Choosing.NAMED, given.name)
    if given.allowed_tools is not None:
        mode = _MODES.get(given.allowed_tools.mode)
        if mode not in (Choosing.AUTO, Choosing.REQUIRED):
            raise wrong(f"{member}.allowed_tools.mode", "expected auto or required")
        names = tuple([_name_of(each, f"{member}.allowed_tools.tools") for each in given.allowed_tools.tools])
        return ToolChoice(mode, allowed=names)
    if given.type in _MODES and given.function is None:  # Anthropic's form
        return ToolChoice(_MODES[given.type])
    return ToolChoice(Choosing.NAMED, _name_of(given, member))


def _name_of(chosen: Chosen, where: str) -> str:
    named = chosen.function or chosen.custom
    name = named.name if named is not None else chosen.name
    if not name:
        raise wrong(where, "expected the name of a tool")
    return name
