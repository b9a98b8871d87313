"""Detects bodies that two servers may read differently: duplicate keys, and keys in another spelling.

JSON parsers keep the first or the last of duplicate keys, Go's parser takes `MAX_TOKENS` for `max_tokens`. The
provider's choice is unknown: at the top level the last is kept and sent once, below it duplicates are refused. Cost:
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
    """Whether an object surely has no duplicate key; else it must be sent as its parsed `parts`."""
    return len(raw) - _size(parts) == 2 * len(parts) + 1


def check_objects(raw: bytes, several: Sequence[Raws]) -> None:
    """Refuse a list of objects if one has a duplicate key. Raises Unacceptable."""
    size = sum(map(len, chain.from_iterable(several)))
    size += sum(map(len, chain.from_iterable([parts.values() for parts in several])))
    if len(raw) == size + 4 * sum(map(len, several)) + 2 * len(several) + 1:
        return  # no byte more than these keys and values need
    if b"[" + b", ".join([_spaced(parts) for parts in several]) + b"]" != raw:
        strictly(raw)


def strictly(raw: bytes) -> Any:
    """Parse JSON without duplicate keys at any depth. Raises Unacceptable."""
    try:
        return json.loads(raw, object_pairs_hook=_unique)
    except (
        ValueError,
        RecursionError,
    ) as error:  # what msgspec accepts and this parser does not: numbers, depth
        raise Unacceptable(
            f"We could not parse the JSON body of your request: {error}.", "", "invalid_json"
        ) from None


def fold(name: str) -> str:
    """Return the canonical form of a name's spellings: letters and digits, case-insensitive."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def folded(table: Table) -> dict[str, str]:
    """Return the names of a table by their canonical form."""
    return {fold(name): name for name in table}


def check_spelling(names: Iterable[str], known: Mapping[str, str]) -> None:
    """Refuse names that are not in the table but may be read as one that is. Raises Unacceptable."""
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
    """Return the bytes of keys and values: the rest of an object is punctuation, white space, or a duplicate."""
    return sum(map(len, parts.values())) + sum(map(len, parts)) + 2 * len(parts)


def _spaced(parts: Raws) -> bytes:
    """Return an object as Python's json serializes it."""
    return b"{" + b", ".join([_encode(name) + b": " + bytes(value) for name, value in parts.items()]) + b"}"
