"""Rewrites responses in a JSON-like notation as JSON in UTF-8. Valid JSON never comes here. Pure.

UTF-16 and UTF-32 with or without a byte order mark (detected by their first bytes: RFC 4627, section 3), a comma
after the last element, and the output of Python's `str` for a dictionary: single quotes, None, True, nan, escapes.
Everything else outside of strings must be JSON: the parser of the result checks that. One pass, linear for any input.
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
_TOKEN: Final = re.compile(  # an unterminated string extends to the end
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|' + rb"'(?:[^'\\]++|\\.)*+(?:'|\\?\Z)|" + _LAST_COMMA + b"|" + _WORD,
    re.DOTALL,
)
_ESCAPE: Final = re.compile(rb'"|\\(?:x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|.)', re.DOTALL)
_ESCAPES: Final = {b'"': b'\\"', b"\\'": b"'", b"\\a": b"\\u0007", b"\\v": b"\\u000b"}
_MARKS: Final = (b"'", b'"', b"\\", b"]", b"}", *_WORDS, *_NUMBERS[:2])
_MOST_TOKENS: Final = 8_000  # processed within a few milliseconds
_MOST: Final = 4_000_000  # of all these; no ordinary response of 64 MB has more


def is_long_work(raw: bytes) -> bool:
    """Whether rewriting a text takes longer than a process that serves calls may spend."""
    return _tokens(raw) + raw.count(b",") > _MOST_TOKENS and _MAY_BE.search(raw) is not None


def rewritten(raw: bytes) -> bytes:
    """Return the text as JSON in UTF-8, as far as possible; the same bytes where there is nothing to rewrite.

    Bytes that are invalid in its encoding become U+FFFD, as event stream parsers decode (WHATWG HTML 9.2.6).
    """
    encoding = json.detect_encoding(raw)
    text = raw.decode(encoding if encoding.startswith(("utf-16", "utf-32")) else "utf-8", "replace").encode()
    return text if _tokens(text) > _MOST or _MAY_BE.search(text) is None else _TOKEN.sub(_plain, text)


def _tokens(raw: bytes) -> int:
    """Return an upper bound of the places in a text that must be examined."""
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
