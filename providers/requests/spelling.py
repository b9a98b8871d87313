"""Two servers must not read one body in two ways: keys that are there twice, and keys in another spelling.

JSON parsers keep the first or the last of two equal keys, Go's takes `MAX_TOKENS` for `max_tokens`. Which one a
provider uses cannot be known: at the top of a body the last is kept and sent once, below it two are refused. Cost:
under 2 us for a body without white space.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from providers.requests.money_classes import Table, Unacceptable

Raws = Mapping[str, msgspec.Raw]
_encode = msgspec.json.Encoder().encode


def is_exact(raw: bytes, parts: Raws) -> bool:
    """Whether an object surely has no key twice; else it must be sent as `parts`, what a parser made of it."""
    return len(raw) - _size(parts) == 2 * len(parts) + 1


def check_objects(raw: bytes, several: Sequence[Raws]) -> None:
    """Refuse a list of objects in one of which a key is twice. Raises Unacceptable."""
    size = sum(map(len, chain.from_iterable(several)))
    size += sum(map(len, chain.from_iterable([parts.values() for parts in several])))
    if len(raw) == size + 4 * sum(map(len, several)) + 2 * len(several) + 1:
        return  # not one byte more than these keys and values take
    if b"[" + b", ".join([_spaced(parts) for parts in several]) + b"]" != raw:
        strictly(raw)


def strictly(raw: bytes) -> Any:
    """Parse JSON that has no key twice at any depth. Raises Unacceptable."""
    try:
        return json.loads(raw, object_pairs_hook=_unique)
    except (
        ValueError,
        RecursionError,
    ) as error:  # what msgspec read and this parser does not: numbers, depth
        raise Unacceptable(
            f"We could not parse the JSON body of your request: {error}.", "", "invalid_json"
        ) from None


def fold(name: str) -> str:
    """Return what the spellings of a name have in common: letters and digits, without regard to case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def folded(table: Table) -> dict[str, str]:
    """Return the names of a table by what their spellings have in common."""
    return {fold(name): name for name in table}


def check_spelling(names: Iterable[str], known: Mapping[str, str]) -> None:
    """Refuse names that are not in the table but are read as if they were. Raises Unacceptable."""
    for name in names:
        meant = known.get(fold(name))
        if meant is not None:
            raise Unacceptable(f"'{name}' is not a parameter; spell it '{meant}'.", name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Unacceptable(f"'{twice}' is there twice.", twice, "duplicate_parameter")
    return found


def _size(parts: Raws) -> int:
    """Return the bytes of keys and values: what is left of an object is punctuation, white space, or a twin."""
    return sum(map(len, parts.values())) + sum(map(len, parts)) + 2 * len(parts)


def _spaced(parts: Raws) -> bytes:
    """Return an object as Python's json writes it."""
    return b"{" + b", ".join([_encode(name) + b": " + bytes(value) for name, value in parts.items()]) + b"}"
