"""Parses a JSON document into plain values, leniently: what no parser takes becomes None, or is repaired."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.json_scan.repaired import mended
from providers.json_scan.shallow import shallow

_any = msgspec.json.Decoder()


def read_any(raw: bytes) -> Any:
    """Return a JSON document as plain values; None for what is not JSON, or is nested too deeply for the parser."""
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def read_deep(raw: bytes) -> Any:
    """Return a JSON document, repaired if needed; what is nested too deeply for the parser is left out. Slow."""
    document, text = read_any(raw), raw
    if document is None:
        text = mended(raw) or raw
        document = read_any(text)
    return read_any(shallow(text)) if document is None else document
