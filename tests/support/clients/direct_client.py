"""What the official client reads from a stream's bytes without a gateway: the reference for the gateway's client."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from openai._streaming import SSEDecoder


class View(msgspec.Struct):
    """`documents` as they were parsed; `end` is done, error (an event of one, or what cannot be parsed), or cut."""

    documents: list[Any]
    end: str

    @property
    def text(self) -> str:
        choices = [choice for each in self.documents for choice in each.get("choices") or ()]
        said = [(choice.get("delta") or {}).get("content") for choice in choices if isinstance(choice, dict)]
        return "".join([each for each in said if isinstance(each, str)])


def view(blocks: Iterable[bytes]) -> View:
    """Do as openai-python does, or as the standard says where it does not: a byte order mark at the start goes, events
    without data are not dispatched, bytes that are no UTF-8 are replaced.
    """
    seen = View([], "cut")
    raw = b"".join(blocks).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").encode()
    try:
        for event in SSEDecoder().iter_bytes(iter([raw])):
            data = event.data.strip()
            if data.startswith("[DONE]"):
                seen.end = "done"
                break
            if not data:
                continue
            document = json.loads(data)
            if isinstance(document, dict) and document.get("error"):
                seen.end = "error"
                break
            seen.documents.append(document)
    except (ValueError, RecursionError):  # no JSON, or no UTF-8
        seen.end = "error"
    return seen


def as_ours(document: Any, alias: str, *, includes_usage: bool) -> Any:
    """Return a provider's document as the gateway's client gets it; None: it does not get it."""
    if not isinstance(document, dict):
        return document
    ours = {**document}
    if ours.get("model") is not None:
        ours["model"] = alias
    if not includes_usage:
        if not ours.get("choices") and isinstance(ours.get("usage"), dict):
            return None
        if "usage" in ours and ours["usage"] is None:
            del ours["usage"]
    return ours
