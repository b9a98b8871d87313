"""The separately priced features of a chat: requested by a member, or as a tool that the provider runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from providers.requests import chat
from providers.requests.account_objects import refuse_objects
from providers.requests.money_classes import Money, Unacceptable
from providers.requests.spelling import Raws, check_objects, strictly

MOST_UNKNOWN: Final = 64
MOST_ODD_TOOLS: Final = 1_024  # tools other than plain functions are parsed in full
_FUNCTIONS: Final = frozenset({b'"function"', b'"custom"'})
_OWN: Final = ("function", "custom")
_LISTS: Final = ("tools", "functions")  # the second is OpenAI's former name of the first
_CHOICES: Final = ("tool_choice", "function_call")
# Of OpenAI, Mistral ("any") and Anthropic ("tool"): they choose among the given tools.
_USUAL_CHOICES: Final = frozenset({"auto", "none", "required", "any", "tool"})
_ALLOWED: Final = "allowed_tools"

_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def features_of(
    parts: Mapping[str, msgspec.Raw], stated: dict[str, bytes]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the features that cost extra, and the unknown members about tools. Raises Unacceptable."""
    priced = [name for name in stated if chat.MEMBERS[name].money is Money.FEATURE]
    found = ["web_search" if name in chat.WEB_SEARCHES else name for name in priced]
    unknown: list[str] = []
    for member in _LISTS:
        if member in stated:
            _read_list(member, parts[member], found, unknown)
    for member in _CHOICES:
        if member in stated:
            _read_choice(member, strictly(stated[member]), parts, found, unknown)
    return tuple(dict.fromkeys(found)), list(dict.fromkeys(unknown))[:MOST_UNKNOWN]


def _read_list(member: str, raw: msgspec.Raw, found: list[str], unknown: list[str]) -> None:
    try:
        tools = _tools.decode(raw)
    except msgspec.ValidationError:
        unknown.append(member)
        return
    check_objects(bytes(raw), tools)
    odd = [tool for tool in tools if not _is_own(tool)]
    if len(odd) > MOST_ODD_TOOLS:
        message = f"More than {MOST_ODD_TOOLS:,} tools of your request are not plain functions."
        raise Unacceptable(message, member, "too_many_members")
    for tool in odd:
        given = {name: strictly(bytes(value)) for name, value in tool.items()}
        _read_tool(member, given, found, unknown)


def _is_own(tool: Raws) -> bool:
    kind = tool.get("type")
    return (kind is None or bytes(kind) in _FUNCTIONS) and tool.keys() <= chat.FUNCTION


def _read_tool(member: str, given: dict[str, Any], found: list[str], unknown: list[str]) -> None:
    """Add a tool that the provider runs: one of another type, or without a type but with an extra member."""
    others = [name for name in given if name not in chat.FUNCTION and given[name] is not None]
    refuse_objects(given if given.get("type") not in _OWN else {name: given[name] for name in others}, member)
    if given.get("type") in _OWN:
        unknown += [f"{member}.{name[:64]}" for name in others]
    elif given.get("type") is not None:
        found.append(_feature(given["type"]))
    else:
        found += [_feature(name) for name in others]


def _read_choice(
    member: str, choice: Any, parts: Mapping[str, msgspec.Raw], found: list[str], unknown: list[str]
) -> None:
    """Add what a tool choice requests beyond the given tools."""
    if isinstance(choice, str):
        if choice not in _USUAL_CHOICES and choice not in _own_names(parts):
            found.append(_feature(choice))
        return
    if not isinstance(choice, dict):
        unknown.append(member)
        return
    kind = choice.get("type")
    if kind == _ALLOWED:
        _read_allowed(member, choice, found, unknown)
        return
    if isinstance(kind, str) and kind in _USUAL_CHOICES:
        rest = {name: value for name, value in choice.items() if name != "disable_parallel_tool_use"}
        choice = rest | {"type": _OWN[0]}
    _read_tool(member, choice, found, unknown)


def _read_allowed(member: str, choice: dict[str, Any], found: list[str], unknown: list[str]) -> None:
    inner = choice.get(_ALLOWED)
    tools = (inner if isinstance(inner, dict) else choice).get("tools")
    if not isinstance(tools, list) or len(tools) > MOST_ODD_TOOLS:
        unknown.append(member)
        return
    for tool in tools:
        if isinstance(tool, dict):
            _read_tool(member, tool, found, unknown)
        else:
            unknown.append(member)


def _own_names(parts: Mapping[str, msgspec.Raw]) -> set[str]:
    """Return the names of the client's own functions: some servers accept one as the choice itself."""
    given = [strictly(bytes(parts[member])) for member in _LISTS if member in parts]
    tools = [tool for several in given if isinstance(several, list) for tool in several]
    named = [each for tool in tools if isinstance(tool, dict) for each in (tool, tool.get("function"))]
    names = [each.get("name") for each in named if isinstance(each, dict)]
    return {name for name in names if isinstance(name, str)}


def _feature(kind: Any) -> str:
    return "web_search" if isinstance(kind, str) and kind.startswith("web_search") else str(kind)[:64]
