"""Reads a completions request once, by its table: caps, prompts, and the members missing from the table. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from providers.requests import chat, completions
from providers.requests.account_objects import refuse_named
from providers.requests.caps import caps_inside, caps_of
from providers.requests.money_classes import Money
from providers.requests.reading import (
    Reading,
    is_neutral,
    keeping,
    names_of,
    refuse_destinations,
    tier_of,
    unknown_members,
)
from providers.requests.spelling import folded, is_exact
from providers.requests.token_expansion import extra_bytes

_SPELLINGS: Final = folded(completions.MEMBERS)
_DIGITS: Final = b"-0123456789"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def read_completions(raw: bytes, prompt: bytes) -> Reading:
    """Read a body whose `prompt` is given. Raises Unacceptable, msgspec.DecodeError."""
    parts = _members.decode(raw)
    special = parts.keys() - completions.PLAIN
    unknown = unknown_members(parts, special, completions.MEMBERS, _SPELLINGS)
    refuse_named(parts, unknown)
    stated = {name: bytes(parts[name]) for name in special if name in completions.MEMBERS}
    stated = {name: value for name, value in stated.items() if not is_neutral(name, value)}
    refuse_destinations(stated)
    caps = caps_of({name: value for name, value in stated.items() if name in chat.MEMBERS}, unknown)
    inside = caps_inside(parts, [*caps.unknown, *chat.OUTSIDE.intersection(stated)])
    return Reading(
        text_bytes=len(raw) + extra_bytes(raw),
        cap=caps.cap,
        cap_names=tuple(sorted(special & chat.CAPS)),
        choices=caps.choices,
        references=tuple([name for name in stated if completions.MEMBERS[name].money is Money.REFERENCE]),
        unknown=caps.unknown,
        against_cap=(*caps.against, *inside),
        tier=tier_of(stated.get("service_tier")),
        keeps=keeping(stated, completions.MEMBERS),
        exact=is_exact(raw, parts),
        inputs=prompts_in(prompt),
        names=names_of(parts),
    )


def prompts_in(prompt: bytes) -> int:
    """Return the number of prompts: a string and a list of token ids are one, other lists have one per element."""
    if prompt[:1] != b"[":
        return 1
    elements = _elements.decode(prompt)
    is_tokens = all(memoryview(each)[0] in _DIGITS for each in elements)
    return 1 if is_tokens else len(elements)
