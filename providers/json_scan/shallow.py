"""Blanks the content of JSON that is nested too deeply for parsers, keeping the number of bytes. Pure.

msgspec and Python's own parser are limited by the interpreter's stack: about a thousand levels less the callers'.
"""

from __future__ import annotations

import re
from typing import Final

DEEPEST: Final = 64  # nothing that is read of a response is nested deeper than seven levels
BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+([\[{\]}]|\Z)', re.DOTALL)
_OPENS: Final = frozenset({b"[", b"{"})
_CLOSES: Final = frozenset({b"]", b"}"})


def shallow(raw: bytes, deepest: int = DEEPEST) -> bytes:
    """Return the document with empty lists and objects below this many levels; invalid JSON stays invalid."""
    pieces: list[bytes] = []
    depth = at = begin = 0
    for found in BRACKET.finditer(raw):
        token = found.group(1)
        if token in _OPENS:
            depth += 1
            if depth == deepest + 1:
                begin = found.end()
        elif token in _CLOSES:
            if depth == deepest + 1:
                pieces += (raw[at:begin], b" " * (found.start(1) - begin))
                at = found.start(1)
            depth -= 1
    return b"".join([*pieces, raw[at:]])
