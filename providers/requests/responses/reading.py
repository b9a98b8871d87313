"""Reads a Responses request once, as providers/requests/reading.py reads a chat: what it may cost at most. Pure.

A request that goes on from a stored response has a history that is not in it, so the context window bounds it. A tool
that the provider runs makes it read the prompt again: `rounds` is how often at most.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from providers.requests.account_objects import refuse_named
from providers.requests.caps import caps_inside, check_cap
from providers.requests.features import MOST_UNKNOWN
from providers.requests.money_classes import Money, Unacceptable
from providers.requests.reading import (
    NEUTRAL,
    Reading,
    keeping,
    names_of,
    tier_of,
    unknown_members,
)
from providers.requests.responses.items import Items, StateName, items_in
from providers.requests.responses.members import CAP, MEMBERS, PLAIN, PRINTED, REASONS
from providers.requests.responses.tools import Tools
from providers.requests.spelling import folded, is_exact, strictly
from providers.requests.token_expansion import extra_bytes, written_out

MOST_ROUNDS: Final = 10  # calls of hosted tools within one call, as budgets/admission/worst_case.py assumes
_SPELLINGS: Final = folded(MEMBERS)
_NUMBER: Final = re.compile(rb"0|[1-9][0-9]{0,17}")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class ResponsesReading(Reading, frozen=True, kw_only=True, omit_defaults=True):
    """`items` is the number of items; `state` names what only one account of a provider has."""

    items: int = 1
    rounds: int = 1
    state: tuple[StateName, ...] = ()


def read_responses(raw: bytes, given: bytes) -> ResponsesReading:
    """Read a body whose `input` is `given` (b"null": none). Raises Unacceptable, msgspec.DecodeError."""
    parts = _members.decode(raw)
    special = parts.keys() - PLAIN
    unknown = unknown_members(parts, special, MEMBERS, _SPELLINGS)
    refuse_named(parts, unknown)
    stated = {name: bytes(parts[name]) for name in special if name in MEMBERS}
    stated = {name: value for name, value in stated.items() if not _is_neutral(name, value)}
    _refuse_destinations(stated)
    found, tools = items_in(given), Tools()
    _read_tools(stated, found, tools)
    against, rounds = _against_cap(parts, stated, unknown, found), 1
    if tools.features:
        rounds = _rounds(stated.get("max_tool_calls"), against)
    text = strictly(bytes(parts["text"])) if "text" in parts else None
    return ResponsesReading(
        text_bytes=len(raw) - found.media_bytes + extra_bytes(raw),
        growth=_growth(parts, found),
        cap=_cap(stated.get(CAP)),
        cap_names=(CAP,) if CAP in parts else (),
        tools=tools.has_own,
        pictures=tuple(found.pictures),
        modalities=found.modalities,
        sounds=found.sounds,
        audio_ms=found.audio_ms,
        references=(*found.references, *_of_window(stated)),
        unknown=(*unknown, *found.unknown, *tools.unknown)[: 4 * MOST_UNKNOWN],
        features=tuple(tools.features),
        tier=tier_of(stated.get("service_tier")),
        against_cap=tuple(against),
        keeps=keeping(stated, MEMBERS) or ("" if bytes(parts.get("store", b"")) == b"false" else "store"),
        exact=is_exact(raw, parts),
        names=names_of(parts),
        json_schema=_is_schema(text),
        items=found.count,
        rounds=rounds,
        state=(*_named(stated), *found.state, *tools.state),
    )


def _is_neutral(name: str, value: bytes) -> bool:
    """Whether a member has no effect. A cap of 0 is a cap; an empty text is no name of anything."""
    return value in NEUTRAL and not (name == CAP and value == b"0")


def _refuse_destinations(stated: dict[str, bytes]) -> None:
    for name in stated:
        if MEMBERS[name].money is not Money.DESTINATION:
            continue
        why = REASONS.get(name)
        if why is None:
            shares = MEMBERS[name].shares
            why = (
                "names an object whose owner the gateway cannot know"
                if shares
                else "decides where a call goes, which only the gateway does"
            )
        raise Unacceptable(f"'{name}' {why}.", name)


def _read_tools(stated: dict[str, bytes], found: Items, tools: Tools) -> None:
    tools.add_all(stated.get("tools", b"null"), "tools")
    for more in found.tools:
        tools.add_all(more, "input.tools")
    if "tool_choice" in stated:
        tools.add_choice(strictly(stated["tool_choice"]))


def _against_cap(
    parts: dict[str, msgspec.Raw], stated: dict[str, bytes], unknown: list[str], found: Items
) -> list[str]:
    refused = [name for name in stated if MEMBERS[name].money is Money.REFUSED]
    searched = [*unknown, *({"reasoning"} & stated.keys())]
    return [*refused, *found.against_cap, *caps_inside(parts, searched)]


def _rounds(stated: bytes | None, against: list[str]) -> int:
    """Return how often the prompt may be read. More calls than are assumed are refused where a limit needs the cap."""
    if stated is None:
        return MOST_ROUNDS + 1
    if not _NUMBER.fullmatch(stated) or int(stated) > MOST_ROUNDS:
        against.append("max_tool_calls")
        return MOST_ROUNDS + 1
    return int(stated) + 1


def _growth(parts: dict[str, msgspec.Raw], found: Items) -> int:
    """Return an upper bound of the tokens that printed members have beyond their bytes, earlier calls included."""
    printed = [bytes(parts[name]) for name in PRINTED.intersection(parts)]
    return sum(map(written_out, [*printed, *found.tools, *found.calls]))


def _cap(value: bytes | None) -> int | None:
    if value is None:
        return None
    check_cap(CAP, value)
    return int(value) if _NUMBER.fullmatch(value) else None


def _of_window(stated: dict[str, bytes]) -> list[str]:
    return [name for name in stated if MEMBERS[name].money is Money.REFERENCE]


def _is_schema(text: Any) -> bool:
    form = text.get("format") if isinstance(text, dict) else None
    return isinstance(form, dict) and form.get("type") == "json_schema"


def _named(stated: dict[str, bytes]) -> list[StateName]:
    """Return what the request's own members name. Raises Unacceptable."""
    found = []
    for name in ("previous_response_id", "conversation"):
        if name in stated:
            value = strictly(stated[name])
            named = value.get("id") if isinstance(value, dict) else value
            found.append(StateName(name, named if isinstance(named, str) else "", True))
    options = strictly(stated["prompt_cache_options"]) if "prompt_cache_options" in stated else None
    compared = options.get("comparison_response_id") if isinstance(options, dict) else None
    if compared:
        found.append(StateName("prompt_cache_options.comparison_response_id", str(compared), True))
    return found
