"""Joins a Lua script with the files that it includes by lines `--- @include "lib/name"`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LINE = re.compile(r'^--- @include\b[ \t]*(?:"(?P<name>[^"\n]*)"[ \t]*$)?.*\n?', re.MULTILINE)


class IncludeError(Exception):
    """An include has no file or no quoted name, or a file includes itself, perhaps through others."""


def includes_of(text: str) -> list[str]:
    """Return the names that a text includes itself, in their order. Raises IncludeError."""
    names = [found["name"] for found in _LINE.finditer(text)]
    if None in names:
        raise IncludeError('an include needs a name in quotes: --- @include "lib/name"')
    return names


def without_includes(text: str) -> str:
    return _LINE.sub("", text)


def joined(name: str, texts: Mapping[str, str]) -> str:
    """Return the text with all that it includes in front: each once, and after what it includes. Raises IncludeError.

    `texts` are the sources by name.
    """
    parts: dict[str, str] = {}  # by name, in the order of the result
    _collect(name, texts, parts, ())
    return "\n".join(parts.values())


def _collect(name: str, texts: Mapping[str, str], parts: dict[str, str], way: tuple[str, ...]) -> None:
    if name in parts:
        return
    if name in way:
        raise IncludeError(f"a circle: {' -> '.join((*way[way.index(name) :], name))}")
    if name not in texts:
        raise IncludeError(f'{way[-1] if way else "no script"} includes "{name}", which is not there')
    for each in includes_of(texts[name]):
        _collect(each, texts, parts, (*way, name))
    parts[name] = without_includes(texts[name])
