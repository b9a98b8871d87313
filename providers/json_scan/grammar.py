"""JSON's grammar (RFC 8259) as patterns that never backtrack. Each matches a short member or element as a whole.

A short value is a number, a literal or a string of up to 512 bytes without escapes, a list of such strings, or an
object of short values.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from providers.json_scan.texts import INSIDE

_WS = rb"[ \t\r\n]*+"
_COLON, _COMMA = _WS + b":" + _WS, _WS + b"," + _WS
_NAME = b'"' + INSIDE + b'"'
_TEXT = rb'"[^"\\\x00-\x1f]{0,512}+"'
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+"
_TEXTS = rb"\[" + _WS + _TEXT + b"(?:" + _COMMA + _TEXT + b")*+" + _WS + rb"\]"
_SHORT = b"(?:" + b"|".join((_TEXT, b"true|false|null", _NUMBER)) + b")"
_PAIR = _NAME + _COLON + _SHORT
_FLAT = rb"\{" + _WS + b"(?:" + _PAIR + b"(?:" + _COMMA + _PAIR + b")*+)?+" + _WS + rb"\}"
_VALUE = b"(" + b"|".join((_SHORT, _TEXTS, _FLAT)) + b")" + _WS
MEMBER: Final = re.compile(_WS + b"(" + _NAME + b")" + _COLON + b"(?:" + _VALUE + b"([,}]))?+")
ELEMENT: Final = re.compile(_WS + b"(?:" + _VALUE + rb"([,\]]))?+")
AFTER: Final = re.compile(_WS + rb"([,\]}])")
RUN: Final = re.compile(rb'[^"\[\]{}]*+')  # numbers, literals, and what is between them


def decoded(name: bytes) -> str:
    """Return the decoded name."""
    if b"\\" not in name:
        return name[1:-1].decode()
    text: str = msgspec.json.decode(name)
    return text


def names_in(piece: bytes) -> list[str]:
    """Return the names in a short object."""
    return list(msgspec.json.decode(piece, type=dict[str, msgspec.Raw]))
