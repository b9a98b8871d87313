"""Reads a Messages body once: its cap, its media, its references, and what is not in the table. Pure.

Everything in a Reading is an upper bound or a fact, as in providers/requests/reading.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from providers.requests import caps
from providers.requests.account_objects import refuse_named, refuse_objects, refuse_things
from providers.requests.features import MOST_ODD_TOOLS
from providers.requests.messages import table
from providers.requests.messages.blocks import Found, read_content
from providers.requests.money_classes import Money, Unacceptable
from providers.requests.reading import Reading, unknown_members
from providers.requests.spelling import Raws, check_objects, folded, is_exact, strictly
from providers.requests.token_expansion import extra_bytes, written_out
from providers.usage import USUAL_TIERS

MOST_SEARCHES: Final = (
    10  # calls of a provider's tool that one feature stands for (worst_case.MOST_TOOL_CALLS)
)
MOST_USES: Final = 1_000
TOOL_FRAME: Final = 40  # bytes around a tool in the API of another vendor
_SPELLINGS: Final = folded(table.MEMBERS)
_NEUTRAL: Final = frozenset({b"null", b"false", b"0", b"{}", b"[]", b'""'})
_PLAIN_SPEED: Final = frozenset({b"null", b'"standard"'})
_TIERS: Final = USUAL_TIERS | {"standard_only"}
_PLACES: Final = frozenset({"", "global"})  # Anthropic, "Data residency": anywhere, at no extra price
_DATED: Final = re.compile(r"_20\d{6}$")

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_any = msgspec.json.Decoder()


def read_messages(raw: bytes, messages: Sequence[Raws]) -> Reading:
    """Read a body whose messages were split into members. Raises Unacceptable, msgspec.DecodeError."""
    parts = _members.decode(raw)
    check_objects(bytes(parts["messages"]), messages)
    found = Found()
    _read_messages(parts, messages, found)
    unknown = unknown_members(parts, {*parts}, table.MEMBERS, _SPELLINGS)
    refuse_named(parts, unknown)
    stated = {name: bytes(parts[name]) for name in parts.keys() & table.MEMBERS.keys()}
    stated = {name: value for name, value in stated.items() if not _is_neutral(name, value)}
    _check(stated)
    cap = caps.caps_of({table.CAP: stated[table.CAP]} if table.CAP in stated else {}, unknown)
    inside = caps.caps_inside(parts, cap.unknown)
    features, odd = _features(stated)
    against = [name for name, value in stated.items() if table.MEMBERS[name].money is Money.REFUSED]
    references = [name for name in stated if table.MEMBERS[name].money is Money.REFERENCE]
    is_hosted = bool(features or references)
    return Reading(
        text_bytes=len(raw) - found.media_bytes + extra_bytes(raw),
        growth=found.growth + _growth(stated),
        cap=cap.cap,
        cap_names=(table.CAP,),
        tools="tools" in stated,
        pictures=tuple(found.pictures),
        modalities=found.modalities,
        documents=tuple(found.documents),
        document_bytes=found.document_bytes,
        references=(*found.references, *references, *odd),
        unknown=(*cap.unknown, *found.unknown, *_unknown_inside(stated)),
        features=features,
        tier=_name(stated, "service_tier", _TIERS),
        place=_name(stated, "inference_geo", _PLACES),
        against_cap=(*cap.against, *against, *inside, *_compaction(stated)),
        exact=is_exact(raw, parts),
        inputs=table.SERVER_TURNS if is_hosted else 1,
        json_schema=_has_schema(stated),
        messages=found.blocks,
    )


def _read_messages(parts: Raws, messages: Sequence[Raws], found: Found) -> None:
    for place, message in enumerate(messages):
        if "content" in message:
            read_content(message["content"], f"messages[{place}].content", found)
        for name in message.keys() - table.MESSAGE:
            where = f"messages[{place}].{name[:64]}"
            refuse_things(name, strictly(bytes(message[name])), where)
            if len(found.unknown) < caps.MOST_NAME:
                found.unknown.append(where)
    if "system" in parts:
        read_content(parts["system"], "system", found)


def _check(stated: dict[str, bytes]) -> None:
    """Raises Unacceptable for what only the gateway decides, and for objects of the account."""
    for name, value in stated.items():
        row = table.MEMBERS[name]
        if row.money is Money.DESTINATION and row.shares:
            raise Unacceptable(f"'{name}' names an object whose owner the gateway cannot know.", name)
        if row.money is Money.DESTINATION:
            raise Unacceptable(f"'{name}' decides where a call goes, which only the gateway does.", name)
        if name in {"diagnostics", "mcp_servers"}:
            refuse_objects(strictly(value), name)
        elif name in {"thinking", "context_management", "output_config", "output_format", "metadata"}:
            strictly(value)


def _features(stated: dict[str, bytes]) -> tuple[tuple[str, ...], list[str]]:
    """Return the tools that the provider runs, each as often as their price must be held, and other odd tools."""
    found = ["speed"] if "speed" in stated else []
    odd: list[str] = []
    raw = stated.get("tools", b"[]")
    try:
        tools = _tools.decode(raw)
    except msgspec.ValidationError:
        return tuple(found), ["tools"]
    check_objects(raw, tools)
    several = [(place, tool) for place, tool in enumerate(tools) if not _is_own(tool)]
    if len(several) > MOST_ODD_TOOLS:
        message = f"More than {MOST_ODD_TOOLS:,} tools of your request are not plain functions."
        raise Unacceptable(message, "tools", "too_many_members")
    for place, tool in several:
        given = {name: strictly(bytes(value)) for name, value in tool.items()}
        refuse_objects(given, f"tools[{place}]")
        kind = given.get("type")
        if kind in table.OWN_TYPES or str(kind).startswith(table.CLIENT_RUN):
            odd.append(f"tools[{place}]")
        else:
            found += [_DATED.sub("", str(kind)[:64])] * _times(given.get("max_uses"))
    _check_choice(stated, odd)
    return tuple(found), odd


def _is_own(tool: Raws) -> bool:
    kind = tool.get("type")
    return (kind is None or bytes(kind) in {b"null", b'"custom"'}) and tool.keys() <= table.TOOL


def _times(max_uses: Any) -> int:
    """Return for how many times the usual number of calls the price must be held."""
    if not isinstance(max_uses, int) or max_uses <= 0:
        return 1
    return -(-min(max_uses, MOST_USES) // MOST_SEARCHES)


def _check_choice(stated: dict[str, bytes], odd: list[str]) -> None:
    if "tool_choice" not in stated:
        return
    choice = strictly(stated["tool_choice"])
    is_usual = isinstance(choice, dict) and choice.keys() <= table.CHOICE
    if not is_usual or choice.get("type") not in table.CHOICE_TYPES:
        odd.append("tool_choice")


def _unknown_inside(stated: dict[str, bytes]) -> list[str]:
    config = _any.decode(stated.get("output_config", b"{}"))
    if not isinstance(config, dict):
        return ["output_config"]
    return [f"output_config.{name[:64]}" for name in sorted(config.keys() - table.OUTPUT_CONFIG)][:64]


def _compaction(stated: dict[str, bytes]) -> list[str]:
    """Return `context_management` if it may write a summary, which is billed beyond the cap."""
    value = stated.get("context_management", b"")
    return ["context_management"] if table.COMPACTION.encode() in value.lower() or b"\\u" in value else []


def _growth(stated: dict[str, bytes]) -> int:
    printed = [stated[name] for name in table.PRINTED if name in stated]
    return sum(map(written_out, printed)) + TOOL_FRAME * stated.get("tools", b"").count(b'"name"')


def _has_schema(stated: dict[str, bytes]) -> bool:
    config = _any.decode(stated.get("output_config", b"{}"))
    return "output_format" in stated or (isinstance(config, dict) and config.get("format") is not None)


def _is_neutral(name: str, value: bytes) -> bool:
    if name == table.CAP:
        return value == b"null"
    return value in (_PLAIN_SPEED if name == "speed" else _NEUTRAL)


def _name(stated: dict[str, bytes], member: str, usual: frozenset[str]) -> str:
    """Return what a member asks for that may cost more; "" for what is usual."""
    name = _any.decode(stated.get(member, b"null"))
    if name is None:
        return ""
    if not isinstance(name, str):
        raise Unacceptable(f"Invalid value for '{member}': expected a string.", member, "invalid_value")
    return "" if name in usual else name[:64]
