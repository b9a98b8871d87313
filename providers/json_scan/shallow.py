"""JSON that is nested more deeply than readers go, without what lies that deep, in the same number of bytes. Pure.

msgspec and Python's own reader go as deep as the interpreter's stack, about a thousand levels less the callers'.
"""

from __future__ import annotations

import re
from typing import Final

DEEPEST: Final = 64  # nothing that is read of an answer lies deeper than seven
BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+([\[{\]}]|\Z)', re.DOTALL)
_OPENS: Final = frozenset({b"[", b"{"})
_CLOSES: Final = frozenset({b"]", b"}"})


def shallow(raw: bytes, deepest: int = DEEPEST) -> bytes:
    """Return a JSON document in which lists and objects below so many levels are empty; what is none stays none."""
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
