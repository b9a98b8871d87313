"""The one cap of a request: every name a server might read it from, and what could make a server exceed it, also inside
of unknown members (NVIDIA Dynamo's `nvext`, vLLM's `vllm_xargs`, OpenRouter's `reasoning`).

Which name takes precedence differs from server to server (vLLM and SGLang take `max_completion_tokens or max_tokens`,
llama.cpp also reads `n_predict`), so two names with different numbers are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from providers.requests import chat
from providers.requests.money_classes import Money, Unacceptable
from providers.requests.spelling import fold, strictly

MOST_CAP: Final = 2**31 - 1  # the integer type of servers, and the value clients send for "no limit"
MOST_DIGITS: Final = 40
MOST_NAME: Final = 256  # characters of an unknown name
_NUMBER: Final = re.compile(rb"0|[1-9][0-9]{0,17}")
_ANY_NUMBER: Final = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# An unlisted name that some server may read as an output limit. To be matched, not searched: a search from each
# character on would take time quadratic in the length of the name.
_LIKE_A_CAP: Final = re.compile(
    r"(?=.*tok)(?=.*(max|min|num|new|limit|len))|.*(predict|(max|min)len|budget)"
    r"|(?=.*(out|completion|generat|response|answer|seq))(?=.*(max|min|limit|len))"
)
_INSIDE: Final = frozenset(map(fold, (*chat.CAPS, *chat.CHOICES, *chat.MORE_OUTPUT.split())))
# At least one of these is in each of those names, in any spelling.
_MAY_BE_INSIDE: Final = re.compile(
    rb'max|min|num|len|limit|predict|budget|best|beam|candidate|thinking|ignore|"n"|\\u', re.IGNORECASE
)
_MOST_SEARCHED: Final = 64 * 1024  # bytes of unknown members that may contain a cap


class Caps(NamedTuple):
    """`against` could make a server exceed the cap; `unknown` are the remaining unlisted names."""

    cap: int | None
    choices: int
    against: tuple[str, ...]
    unknown: tuple[str, ...]


def caps_of(stated: Mapping[str, bytes], unknown: Iterable[str]) -> Caps:
    """Read the caps among the members that are not neutral. Raises Unacceptable where two differ."""
    names, against, values, choices = [], [], set(), 1
    for name, value in stated.items():
        money = chat.MEMBERS[name].money
        if money is Money.REFUSED:
            against.append(name)
        elif name in chat.CHOICES:
            choices = _more_choices(name, value, choices)
        elif money is Money.CAP:
            names.append(name)
            check_cap(name, value)
            if _NUMBER.fullmatch(value):
                values.add(int(value))
            else:
                against.append(name)  # -1 means no limit, a string may be parsed as a number
    if len(values) > 1:
        raise Unacceptable(
            f"{' and '.join(repr(name) for name in sorted(names))} say different numbers; state one.",
            min(names),
            "conflicting_parameters",
        )
    like = [name for name in unknown if _LIKE_A_CAP.match(fold(name))]
    rest = [name for name in unknown if name not in like]
    return Caps(next(iter(values), None), choices, (*against, *like), tuple(rest))


def caps_inside(members: Mapping[str, msgspec.Raw], unknown: Iterable[str]) -> list[str]:
    """Return what could exceed the cap inside of unknown members, at any depth. Raises Unacceptable."""
    found: list[str] = []
    size = 0
    for name in unknown:
        value = members[name]
        if memoryview(value)[0] not in b"{[" or _MAY_BE_INSIDE.search(value) is None:
            continue
        size += len(value)
        if size > _MOST_SEARCHED:
            return [*found, name]
        inside = next(_caps_in(strictly(bytes(value))), None)
        if inside is not None:
            found.append(f"{name}.{inside[:MOST_NAME]}")
    return found


def _caps_in(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _caps_in(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            folded = fold(name[:MOST_NAME])
            if item is not None and (folded in _INSIDE or _LIKE_A_CAP.match(folded)):
                yield name
            yield from _caps_in(item)


def check_cap(name: str, value: bytes) -> None:
    """Raises Unacceptable for a number that is too large for any model, in any notation."""
    if _ANY_NUMBER.fullmatch(value) and (len(value) > MOST_DIGITS or abs(float(value)) > MOST_CAP):
        raise Unacceptable(
            f"Invalid value for '{name}': expected a whole number of at most {MOST_CAP}.",
            name,
            "invalid_value",
        )


def stated_alone(parts: Mapping[str, msgspec.Raw], special: Iterable[str]) -> int | None:
    """Return the cap where it is the only special member, has OpenAI's name and is a number, as from most clients."""
    for name in special:
        if name in chat.STATED_CAPS and _NUMBER.fullmatch(value := bytes(parts[name])):
            return int(value)
    return None


def _more_choices(name: str, value: bytes, before: int) -> int:
    if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= 128:  # noqa: PLR2004 - OpenAI's maximum
        raise Unacceptable(f"Invalid value for '{name}': expected 1 to 128.", name, "invalid_value")
    return max(before, int(value))
