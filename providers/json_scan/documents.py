"""The JSON objects in a text that is no JSON itself: several of them, a line each, in events, in front of garbage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from providers.json_scan.repaired import mended
from providers.json_scan.shallow import shallow

QUICK: Final = 32 * 1024  # bytes that a process may look through which serves calls
_MOST_FAULTS: Final = 16  # of what looks like an object and is none
_decoder: Final = json.JSONDecoder(strict=False)  # line breaks in texts


def documents_in(raw: bytes) -> Iterator[dict[str, Any]]:
    """Yield them in their order. What lies deep in one is left out."""
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
