"""JSON that most readers take and RFC 8259 does not allow, in the same number of bytes as JSON that it does allow.

Halves of surrogate pairs (servers that cut a text between two UTF-16 units), bytes that are no UTF-8 (those that cut
it between two bytes), a byte order mark, and the NaN and Infinity of Python's `json.dumps`. What is found in the
mended bytes lies at the same place in the bytes that came. Pure.
"""

from __future__ import annotations

import re
from typing import Final

_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_WORD: Final = re.compile(rb"[:\[,\s](?:NaN|-?Infinity)[,\]}\s]")
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?(?:NaN|Infinity)', re.DOTALL)
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u([dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_REPLACEMENT: Final = b"\\ufffd"
_BOM: Final = b"\xef\xbb\xbf"
_NO_LETTER: Final = re.compile("[\udc80-\udcff]")  # as what surrogateescape tells a byte


def in_utf8(raw: bytes) -> bytes:
    """Return the bytes with U+FFFD for what is no UTF-8, as readers of event streams decode (WHATWG HTML 9.2.6)."""
    return raw.decode("utf-8", "replace").encode()


def mended(raw: bytes) -> bytes | None:
    """Return the bytes mended, of the same length; None where there is nothing of that kind in them."""
    text = _in_utf8(raw)
    if _HALF.search(text) is not None or _WORD.search(text) is not None:
        text = _TOKEN.sub(_mended, text)  # whole pairs, and words inside of texts, stay as they are
    return None if text == raw else text


def _in_utf8(raw: bytes) -> bytes:
    text = b"   " + raw[3:] if raw.startswith(_BOM) else raw
    try:
        text.decode()
    except UnicodeDecodeError:
        return _NO_LETTER.sub("?", text.decode("utf-8", "surrogateescape")).encode()
    return text


def _mended(found: re.Match[bytes]) -> bytes:
    token = found.group()
    if token[:1] == b'"':
        return _ESCAPE.sub(_whole, token) if b"\\u" in token else token
    return b"0".ljust(len(token) - (token[:1] == b"-"), b" ").rjust(len(token), b"-")


def _whole(found: re.Match[bytes]) -> bytes:
    return found.group() if found.group(1) is None else _REPLACEMENT
