"""Bounds what may have more tokens in the prompt than bytes in the body; everything else has at most a token per byte.

Characters that some tokenizers expand before counting: one of three bytes may become eighteen characters. Qwen's
tokenizers normalise to NFC, those of many embedding models to NFKC. And tools: a chat template prints them as JSON of
its own, with spaces and lines (`tojson(indent=4)` in Llama's), with characters as escapes (minijinja, Jinja), with
numbers in full (1e15), or as a TypeScript type.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Final

# Code points whose NFC or NFKC form takes more bytes than the code point (Unicode 14).
_RANGES: Final = (
    "a8 af b4 b8 bc-be 13f-140 149 1c4-1c6 2d8-2dd 344 37a 384-385 587 675-678 958-95f 9dc-9dd 9df a33 "
    "a36 a59-a5b a5e b5c-b5d e33 eb3 edc-edd f43 f4d f52 f57 f5c f69 f73 f75-f79 f81 f93 f9d fa2 fa7 fac "
    "fb9 1fc1 1fcd-1fcf 1fdd-1fdf 1fed-1fee 2033-2034 2036-2037 2057 2150-215f 2167 2177 2189 222c-222d "
    "222f-2230 247d-2487 2a0c 2adc 309b-309c 309f 30ff 3200-321e 3220-3243 327c-327d 32c0-32cb 32ff-3370 "
    "337b-337f 3389 33a7-33a8 33ae-33af 33c2 33c6 33d8 33de-33fe fa6c facf-fad1 fad5-fad7 fb13-fb17 fb1d "
    "fb1f fb2a-fb36 fb38-fb3c fb3e fb40-fb41 fb43-fb44 fb46-fb4f fbdd fbea-fbfb fc00-fd3d fd50-fd8f "
    "fd92-fdc7 fdf0-fdfc fe71 fe77 fe79 fe7b fe7d fe7f fef5-fefc 1d15e-1d164 1d1bb-1d1c0 1f12a "
    "1f200-1f201 1f240-1f248 "
)
_EXPANDING: Final = re.compile(
    "[" + "".join("-".join(chr(int(end, 16)) for end in each.split("-")) for each in _RANGES.split()) + "]"
)
_ESCAPE: Final = re.compile(rb"\\u([0-9A-Fa-f]{4})")
_ESCAPED: Final = 6  # bytes of one escape
_EXPONENT: Final = re.compile(rb"[0-9][eE]")
_NUMBER: Final = 18  # bytes of the longest that Python prints without an exponent
# Each on its own line, with white space: two more tokens, where a run of spaces is one token.
_INDENTED: Final = (b",", b"[", b"]", b"{", b"}")
_HTML: Final = (b"<", b">", b"&", b"'")
_NOT_ASCII: Final = bytes(range(0x80, 0x100))
_FIRST: Final = bytes(range(0xC0, 0x100))  # of a character's bytes
_FIRST_OF_FOUR: Final = bytes(range(0xF0, 0x100))  # such a character is two escapes


def extra_bytes(raw: bytes) -> int:
    """Return an upper bound of the bytes that a JSON text gains when it is decoded and normalised."""
    extra = _extra_of_escapes(raw) if b"\\u" in raw else 0
    if raw.isascii():
        return extra
    found = Counter(_EXPANDING.findall(raw.decode("utf-8", "replace")))
    return extra + sum([times * (_longest(letter) - len(letter.encode())) for letter, times in found.items()])


def written_out(tools: bytes) -> int:
    """Return an upper bound of the tokens that the JSON of tools, or of tool calls, gains when a template prints it."""
    extra = tools.count(b":") + 2 * sum([tools.count(mark) for mark in _INDENTED])
    extra += (_ESCAPED - 1) * sum([tools.count(mark) for mark in _HTML])
    extra += _NUMBER * len(_EXPONENT.findall(tools))
    if tools.isascii():
        return extra
    escapes = sum([len(tools) - len(tools.translate(None, first)) for first in (_FIRST, _FIRST_OF_FOUR)])
    return extra + _ESCAPED * escapes - (len(tools) - len(tools.translate(None, _NOT_ASCII)))


def _extra_of_escapes(raw: bytes) -> int:
    """Extra bytes of characters escaped in six bytes: few become more than that."""
    found = Counter(_ESCAPE.findall(raw))
    letters = [(chr(int(digits, 16)), times) for digits, times in found.items()]
    return sum(
        [times * max(0, _longest(each) - _ESCAPED) for each, times in letters if _EXPANDING.match(each)]
    )


def _longest(letter: str) -> int:
    return max(len(unicodedata.normalize(form, letter).encode()) for form in ("NFC", "NFKC"))
