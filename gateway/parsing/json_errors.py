"""msgspec's errors for a value of the wrong shape, in JSON terms: "expected a list, got a string"."""

from __future__ import annotations

import re

_NAMES = {
    "str": "a string",
    "array": "a list",
    "object": "an object",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
}
_EACH = {"str": "character", "array": "item"}
_EXPECTED = re.compile(
    r"Expected `(?P<kinds>[a-z |]+)`(?: of length)?(?: (?P<sign>[<>]=) (?P<limit>\d+))?(?:, got `(?P<got>\w+)`)?"
)


def readable(text: str) -> str:
    """Return the message without its end; an unknown one is unchanged except for a lower-case first letter."""
    found = _EXPECTED.fullmatch(text)
    if found is None:
        return f"{text[:1].lower()}{text[1:]}"
    kinds = found["kinds"].split(" | ")
    words = f"expected {' or '.join(_NAMES.get(kind, kind) for kind in kinds)}"
    if found["sign"]:
        words += _bound(kinds[0], found["sign"], int(found["limit"]))
    return f"{words}, got {_NAMES.get(found['got'], found['got'])}" if found["got"] else words


def _bound(kind: str, sign: str, limit: int) -> str:
    how = "at least" if sign == ">=" else "at most"
    each = _EACH.get(kind)
    noun = f" {each}{'' if limit == 1 else 's'}" if each else ""
    return f" of {how} {limit:,}{noun}"
