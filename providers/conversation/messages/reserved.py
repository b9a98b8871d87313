"""Names of tools that have a meaning between the writer of a request and the reader of its response. Pure.

The reader does not know the request, so the name says it: a tool whose input is the response's text (a JSON schema, at
models that have no structured output), and a custom tool, whose input is a text and not an object.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec

JSON_TOOL: Final = "respond_with_json__gw"
JSON_DESCRIPTION: Final = "Gives the response. Call it once; its input is the whole response."
CUSTOM: Final = "__gw_text"  # ends the name of a custom tool
TEXT: Final = "input"  # the member that has a custom tool's text
CUSTOM_SCHEMA: Final = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)
LONGEST_NAME: Final = 128
_FIT: Final = re.compile(r"[a-zA-Z0-9_-]+")
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_-]")
_HASH: Final = 24  # hex digits
_decode = msgspec.json.Decoder().decode


def tool_id(given: str) -> str:
    """Return an id that the API accepts: the same one, or always the same other one."""
    return given if _FIT.fullmatch(given) else f"toolu_{_digest(given)}"


def is_name(given: str) -> bool:
    return len(given) <= LONGEST_NAME and _FIT.fullmatch(given) is not None


def tool_name(given: str, *, is_custom: bool = False) -> str:
    """Return a name that the API accepts, likewise; that of a custom tool is marked."""
    end = CUSTOM if is_custom else ""
    if is_name(given + end):
        return given + end
    kept = LONGEST_NAME - _HASH - len(end) - 1
    return f"{_UNFIT.sub('_', given)[:kept]}_{_digest(given)}{end}"


def text_in(arguments: str) -> str:
    """Return the text that a custom tool is called with; of an input of another form, the input as it is."""
    try:
        document: Any = _decode(arguments)
    except msgspec.DecodeError:
        return arguments
    found = document.get(TEXT) if isinstance(document, dict) else None
    return found if isinstance(found, str) else arguments


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
