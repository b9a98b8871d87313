"""Answers that mean JSON and are written otherwise, as JSON in UTF-8. What is JSON already never comes here. Pure.

UTF-16 and UTF-32 with or without a byte order mark (RFC 4627, section 3, tells them by their first bytes), a comma
behind the last element, and what Python's `str` makes of a dictionary: single quotes, None, True, nan, escapes. What
lies outside of texts must be JSON for the rest: whoever reads the result tells. One pass, linear in any bytes.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Final

_WORDS: Final = {b"None": b"null", b"True": b"true", b"False": b"false"}
_NUMBERS: Final = (b"nan", b"inf", b"-inf")  # JSON has none of them
_WORD: Final = rb"\b(?:None|True|False|nan)\b|-?\binf\b"
_LAST_COMMA: Final = rb",(?=\s*+[\]}])"
_MAY_BE: Final = re.compile(rb"'|" + _WORD + b"|" + _LAST_COMMA)
_TOKEN: Final = re.compile(  # an open text goes to the end
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|' + rb"'(?:[^'\\]++|\\.)*+(?:'|\\?\Z)|" + _LAST_COMMA + b"|" + _WORD,
    re.DOTALL,
)
_ESCAPE: Final = re.compile(rb'"|\\(?:x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|.)', re.DOTALL)
_ESCAPES: Final = {b'"': b'\\"', b"\\'": b"'", b"\\a": b"\\u0007", b"\\v": b"\\u000b"}
_MARKS: Final = (b"'", b'"', b"\\", b"]", b"}", *_WORDS, *_NUMBERS[:2])
_MOST_TOKENS: Final = 8_000  # that are looked at within a few milliseconds
_MOST: Final = 4_000_000  # of all these; no honest answer of 64 MB has more


def is_long_work(raw: bytes) -> bool:
    """Tell whether it takes longer to rewrite a text than a process may take that serves calls."""
    return _tokens(raw) + raw.count(b",") > _MOST_TOKENS and _MAY_BE.search(raw) is not None


def rewritten(raw: bytes) -> bytes:
    """Return the text as JSON in UTF-8, as far as it can be; the same bytes where nothing of that kind is in it.

    What is not in its encoding becomes U+FFFD, as readers of event streams decode (WHATWG HTML 9.2.6).
    """
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding if encoding.startswith(("utf-16", "utf-32")) else "utf-8", "replace").encode()
    return text if _tokens(text) > _MOST or _MAY_BE.search(text) is None else _TOKEN.sub(_plain, text)


def _tokens(raw: bytes) -> int:
    """Return how many places of a text have to be looked at, or more."""
    return sum(map(raw.count, _MARKS))


def _plain(found: re.Match[bytes]) -> bytes:
    token = found.group()
    if token[:1] in b"'\"":
        is_plain = token[:1] == b'"' and b"\\" not in token
        return token if is_plain else b'"%b"' % _ESCAPE.sub(_escape, token[1:-1])
    return b"null" if token in _NUMBERS else _WORDS.get(token, b" ")


def _escape(found: re.Match[bytes]) -> bytes:
    byte, letter = found.groups()
    if byte is not None:
        return b"\\u00" + byte
    if letter is not None and int(letter, 16) <= sys.maxunicode:
        return chr(int(letter, 16)).encode("utf-8", "replace")
    return _ESCAPES.get(found.group(), found.group())
