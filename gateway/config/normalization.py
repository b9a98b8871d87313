"""Strips what editors, shells and secret stores leave around keys and addresses: line ends, a byte order mark,
blanks, quotes. In place, before the model reads it; returns where it did so. Pure.

`kubectl create secret --from-file` keeps the file's last line end, Windows editors begin a file with a byte order mark,
`docker --env-file` keeps quotes. A header cannot carry the first two, and no provider accepts a key with quotes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from gateway.config.errors import keys_of, path_text, section_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

Location = tuple[int | str, ...]

ADDRESSES = frozenset(
    {"endpoint", "base_url", "azure_openai_endpoint", "public_url", "otlp_endpoint", "issuer", "api_version"}
    | {"provider_model"}  # sent upstream unchanged
)
AS_TYPED = frozenset({"password"})  # of people: a blank may be a part of it
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"  # byte order mark, zero-width blanks
_QUOTES = "\"'"
_SCHEME = re.compile(r"(?:authorization\s*:\s*)?bearer\s+(?=\S)", re.IGNORECASE)  # as in documentation
_MAP = "metadata"  # of a catalog row: every text in it is a provider setting


def bare(text: str) -> str:
    """Return the text without surrounding blanks, invisible characters, quotes and `Bearer`."""
    before = ""
    while text != before:
        before = text
        text = text.strip().strip(_INVISIBLE)
        if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
            text = text[1:-1]
        text = _SCHEME.sub("", text, count=1) if _SCHEME.match(text) else text
    return text


def is_sendable(key: str) -> bool:
    """Return whether a header can carry a key: printable ASCII (RFC 9110, 5.5)."""
    return key.isascii() and key.isprintable()


def around(text: str) -> str:
    """Return what `bare` removes from a text; "" if nothing."""
    if (kept := bare(text)) == text:
        return ""
    begin = text.find(kept)
    rest = text[:begin] + text[begin + len(kept) :]
    found = [
        ("a line end", any(mark in rest for mark in "\r\n")),
        ("a byte order mark", "\ufeff" in rest),
        ("quotes", any(mark in rest for mark in _QUOTES)),
        ("the word Bearer", "bearer" in rest.lower()),
    ]
    names = [name for name, is_there in found if is_there] or ["blanks"]
    return " and ".join(names)


def tidy(keys: dict[str, Any], model: type[BaseModel]) -> list[tuple[str, str]]:
    """Strip the keys and addresses of a configuration in place; return the changed ones, and what was removed.

    `keys` holds the values of the file and the environment, before the model reads them.
    """
    return list(_tidied(keys, (), _names(model)))


@cache
def _names(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields that hold a secret or an address, at any place."""
    return frozenset({*_secrets(model), *ADDRESSES}) - AS_TYPED


def _secrets(section: type[BaseModel]) -> Iterator[str]:
    for name, field in keys_of(section).items():
        if (inner := section_in(field.annotation)) is not None:
            yield from _secrets(inner)
        elif not field.repr:
            yield name


def _tidied(node: Any, location: Location, names: frozenset[str]) -> Iterator[tuple[str, str]]:
    if not isinstance(node, dict | list):
        return
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        where = (*location, key)
        is_one = key in names or (bool(location) and location[-1] == _MAP)
        if isinstance(value, str) and is_one and (what := around(value)):
            node[key] = bare(value)
            yield path_text(where), what
        else:
            yield from _tidied(value, where, names)
