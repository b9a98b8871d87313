"""Finds JSON objects in a text that is not JSON itself: several objects, one per line, in events, before garbage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from providers.json_scan.repaired import mended
from providers.json_scan.shallow import shallow

QUICK: Final = 32 * 1024  # bytes that a process that serves calls may search
_MOST_FAULTS: Final = 16  # failed attempts to parse an object
_decoder: Final = json.JSONDecoder(strict=False)  # allows line breaks in strings


def documents_in(raw: bytes) -> Iterator[dict[str, Any]]:
    """Yield them in their order. Deeply nested content is left out."""
    text = shallow(mended(raw) or raw).decode("utf-8", "replace")
    at = faults = 0
    while faults < _MOST_FAULTS and (at := text.find("{", at)) >= 0:
        try:
            document, at = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            faults += 1
            at = text.find("\n", at)
            if at < 0:
                return
        else:
            yield document
