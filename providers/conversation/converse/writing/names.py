"""Ids and names as the Converse API accepts them: the same ones, or always the same other ones. Pure."""

from __future__ import annotations

import hashlib
import re
import string
from typing import Final

from providers.conversation.messages.reserved import CUSTOM

LONGEST: Final = 64
MISTRALS: Final = 9  # characters of an id at Mistral's models, letters and digits
_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_SHORT_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]")
_DIGITS: Final = string.digits + string.ascii_letters
_HASH: Final = 24  # hex digits


def tool_id(given: str, vendor: str) -> str:
    if vendor == "mistral":
        return given if _SHORT_ID.fullmatch(given) else _short(given)
    return given if _ID.fullmatch(given) else f"tooluse_{_digest(given)}"


def is_name(given: str, *, is_custom: bool = False) -> bool:
    return _NAME.fullmatch(given + (CUSTOM if is_custom else "")) is not None


def tool_name(given: str, *, is_custom: bool = False) -> str:
    """Return a name for the API; that of a custom tool is marked, so that its calls are turned back."""
    end = CUSTOM if is_custom else ""
    if is_name(given, is_custom=is_custom):
        return given + end
    kept = LONGEST - _HASH - len(end) - 1
    return f"{_UNFIT.sub('_', given)[:kept]}_{_digest(given)}{end}"


def _short(given: str) -> str:
    number = int.from_bytes(hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    letters = []
    for _ in range(MISTRALS):
        number, digit = divmod(number, len(_DIGITS))
        letters.append(_DIGITS[digit])
    return "".join(letters)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
