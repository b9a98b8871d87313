"""The one cap of a request: every word a server might read for it, and what could make a server exceed it.

Which word counts when two are there differs from server to server (vLLM and SGLang take `max_completion_tokens or
max_tokens`, llama.cpp also reads `n_predict`), so two words that say different numbers are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from providers.requests import chat
from providers.requests.classes import Money, Unacceptable
from providers.requests.spelling import fold

MOST_CAP: Final = 2**31 - 1  # what servers keep such a number in, and clients write for "no limit"
MOST_DIGITS: Final = 40
_NUMBER: Final = re.compile(rb"0|[1-9][0-9]{0,17}")
_ANY_NUMBER: Final = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# A name that nobody listed, and that some server may read as a limit of its output.
_LIKE_A_CAP: Final = re.compile(
    r"(?=.*tok)(?=.*(max|min|num|new|limit|len))|predict|(max|min)len|budget"
    r"|(?=.*(out|completion|generat|response|answer|seq))(?=.*(max|min|limit|len))"
)


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
    like = [name for name in unknown if _LIKE_A_CAP.search(fold(name))]
    rest = [name for name in unknown if name not in like]
    return Caps(next(iter(values), None), choices, (*against, *like), tuple(rest))


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
