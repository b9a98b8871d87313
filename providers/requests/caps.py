"""The one cap of a request: every word a server might read for it, and what could make a server exceed it, also inside
of members that nobody knows (NVIDIA Dynamo's `nvext`, vLLM's `vllm_xargs`, OpenRouter's `reasoning`).

Which word counts when two are there differs from server to server (vLLM and SGLang take `max_completion_tokens or
max_tokens`, llama.cpp also reads `n_predict`), so two words that say different numbers are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from providers.requests import chat
from providers.requests.money_classes import Money, Unacceptable
from providers.requests.spelling import fold, strictly

MOST_CAP: Final = 2**31 - 1  # what servers keep such a number in, and clients write for "no limit"
MOST_DIGITS: Final = 40
MOST_NAME: Final = 256  # letters of a name that nobody knows
_NUMBER: Final = re.compile(rb"0|[1-9][0-9]{0,17}")
_ANY_NUMBER: Final = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# A name that nobody listed, and that some server may read as a limit of its output. To be matched, not searched: from
# each letter on, it would take the square of a name's length.
_LIKE_A_CAP: Final = re.compile(
    r"(?=.*tok)(?=.*(max|min|num|new|limit|len))|.*(predict|(max|min)len|budget)"
    r"|(?=.*(out|completion|generat|response|answer|seq))(?=.*(max|min|limit|len))"
)
_INSIDE: Final = frozenset(map(fold, (*chat.CAPS, *chat.CHOICES, *chat.MORE_OUTPUT.split())))
# Some of which is in each of those names, however it is written.
_MAY_BE_INSIDE: Final = re.compile(
    rb'max|min|num|len|limit|predict|budget|best|beam|candidate|thinking|ignore|"n"|\\u', re.IGNORECASE
)
_MOST_SEARCHED: Final = 64 * 1024  # bytes of members that nobody knows, if they may hold a cap


class Caps(NamedTuple):
    """`against` could make a server exceed the cap; `unknown` is what is left of the names that nobody listed."""

    cap: int | None
    choices: int
    against: tuple[str, ...]
    unknown: tuple[str, ...]


def caps_of(stated: Mapping[str, bytes], unknown: Iterable[str]) -> Caps:
    """Read the caps among members that are not neutral. Raises Unacceptable where two differ."""
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
                against.append(name)  # -1 is no limit, a text may be read as a number
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
    """Return what stands against the cap inside of members that nobody knows, at any depth. Raises Unacceptable."""
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
    """Raises Unacceptable for a number that no model can mean, whatever it is written like."""
    if _ANY_NUMBER.fullmatch(value) and (len(value) > MOST_DIGITS or abs(float(value)) > MOST_CAP):
        raise Unacceptable(
            f"Invalid value for '{name}': expected a whole number of at most {MOST_CAP}.",
            name,
            "invalid_value",
        )


def stated_alone(parts: Mapping[str, msgspec.Raw], special: Iterable[str]) -> int | None:
    """Return the cap where it is the only member to look at, in OpenAI's words, and a number, as most clients do."""
    for name in special:
        if name in chat.STATED_CAPS and _NUMBER.fullmatch(value := bytes(parts[name])):
            return int(value)
    return None


def _more_choices(name: str, value: bytes, before: int) -> int:
    if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= 128:  # noqa: PLR2004 - OpenAI's most
        raise Unacceptable(f"Invalid value for '{name}': expected 1 to 128.", name, "invalid_value")
    return max(before, int(value))
