"""Repairs JSON that most parsers accept and RFC 8259 does not allow, keeping the number of bytes.

Halves of surrogate pairs (servers that cut a text between two UTF-16 units), invalid UTF-8 (servers that cut it between
two bytes), a byte order mark, the NaN and Infinity of Python's `json.dumps`, and numbers beyond a double or an integer
of Python (RFC 8259 sets no limit, and no count is written that way: they become null). Offsets in the repaired bytes
are valid in the received bytes. Pure.
"""

from __future__ import annotations

import re
from typing import Final

_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_WORD: Final = re.compile(rb"[:\[,\s](?:NaN|-?Infinity)[,\]}\s]")
_LONG_NUMBER: Final = (
    rb"-?\d[\d.]*+[eE]\+?\d{3,}+|-?\d[\d.]{199,}+(?:[eE][+-]?\d++)?"  # the first one is beyond 1e99
)
_NUMBER: Final = re.compile(rb"(?<![\w.+-])(?:" + _LONG_NUMBER + rb")")
_ODD: Final = re.compile(  # what may need repair, after all that needs none; an unterminated string goes to the end
    rb'(?:[^"NI\d-]++|"(?:[^"\\]++|\\[^u])*+"|(?!' + _LONG_NUMBER + rb")-?\d[\w.+-]*+|-(?!\d|Infinity)"
    rb'|N(?!aN)|I(?!nfinity))*+("(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|-?(?:NaN|Infinity)|' + _LONG_NUMBER + rb"|\Z)",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u([dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_REPLACEMENT: Final = b"\\ufffd"
_BOM: Final = b"\xef\xbb\xbf"
_NO_LETTER: Final = re.compile("[\udc80-\udcff]")  # how surrogateescape represents a byte


def in_utf8(raw: bytes) -> bytes:
    """Return the bytes with U+FFFD for invalid UTF-8, as event stream parsers decode (WHATWG HTML 9.2.6)."""
    return raw.decode("utf-8", "replace").encode()


def mended(raw: bytes) -> bytes | None:
    """Return the repaired bytes, of the same length; None where there is nothing to repair."""
    text = _in_utf8(raw)
    if any(odd.search(text) is not None for odd in (_HALF, _WORD, _NUMBER)):
        pieces: list[bytes] = []
        at = 0
        for found in _ODD.finditer(text):
            pieces += (text[at : found.start(1)], _mended(found.group(1)))
            at = found.end(1)
        text = b"".join(pieces)
    return None if text == raw else text


def _in_utf8(raw: bytes) -> bytes:
    text = b"   " + raw[3:] if raw.startswith(_BOM) else raw
    try:
        text.decode()
    except UnicodeDecodeError:
        return _NO_LETTER.sub("?", text.decode("utf-8", "surrogateescape")).encode()
    return text


def _mended(token: bytes) -> bytes:
    if token[:1] == b'"':
        return _ESCAPE.sub(_whole, token) if b"\\u" in token else token
    if token.endswith((b"N", b"y")):
        return b"0".ljust(len(token) - (token[:1] == b"-"), b" ").rjust(len(token), b"-")
    return b"null".ljust(len(token)) if token else token


def _whole(found: re.Match[bytes]) -> bytes:
    return found.group() if found.group(1) is None else _REPLACEMENT
