"""The PDFs inside a chat, and an upper bound of each. Takes up to seconds: only in the process for heavy work."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from providers.media.pdf.measure import Document, measure
from providers.media.pdf.syntax import Unreadable

MOST: Final = 64  # of one request; further ones are bounded by the context window
_HEAD: Final = "data:application/pdf;base64,"
_PDF: Final = "application/pdf"
_DEEPEST: Final = 8  # blocks inside of each other
_BEGINS: Final = "JVBERi0"  # %PDF-
_NAMED: Final = ".pdf"
_MEMBERS: Final = frozenset({"file_data", "filename"})

_messages = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder(list[Any])


class Measured(msgspec.Struct, frozen=True):
    """`found` None: one of them cannot be measured; `why` is the reason. `cpu_s` is the CPU time spent.

    `is_defect`: the reader failed; otherwise the file is at fault, and clients may send any file.
    """

    found: tuple[Document, ...] | None
    cpu_s: float
    why: str = ""
    is_defect: bool = False


class _Spent(Exception):
    """The allowed CPU time is used up."""


def pdf_in(value: Any) -> str | None:
    """Return the base64 of a PDF where a content part's `file` is a PDF and nothing else; else None.

    Providers also decide by the file name: with the name `a.txt`, its bytes may be read as text.
    """
    if not isinstance(value, dict) or not value.keys() <= _MEMBERS:
        return None
    data = value.get("file_data")
    name = value.get("filename", _NAMED)
    if not isinstance(data, str) or not isinstance(name, str) or name[-4:].lower() != _NAMED:
        return None
    data = data.removeprefix(_HEAD)
    return data if data.startswith(_BEGINS) else None


def measured(raw: bytes, cpu_s: float) -> Measured:
    """Measure every PDF in a chat body, in at most `cpu_s` seconds of CPU."""
    began = time.process_time()

    def tick() -> None:
        if time.process_time() - began > cpu_s:
            raise _Spent

    seen: dict[str, Document] = {}
    found, why, is_defect = [], "", False
    try:
        for data in _pdfs(raw):
            if data not in seen:
                seen[data] = measure(base64.b64decode(data, validate=True), tick)
            found.append(seen[data])
    except (Unreadable, binascii.Error, msgspec.DecodeError, RecursionError) as fault:
        why = f"{type(fault).__name__}: {fault}"[:200]
        is_defect = not isinstance(fault, Unreadable | binascii.Error)
    except _Spent:
        why = "it takes too long to read"
    return Measured(None if why else tuple(found), time.process_time() - began, why, is_defect)


def pdf_of_source(value: Any) -> str | None:
    """Return the base64 of a PDF where the `source` of a Messages block is one; else None."""
    if not isinstance(value, dict) or value.get("type") != "base64" or value.get("media_type") != _PDF:
        return None
    data = value.get("data")
    return data if isinstance(data, str) and data.startswith(_BEGINS) else None


def _pdfs(raw: bytes) -> Iterator[str]:
    for message in _any.decode(_messages.decode(raw)["messages"]):
        yield from _pdfs_in(message.get("content"), 0)


def _pdfs_in(content: Any, depth: int) -> Iterator[str]:
    """Yield those in the parts of a content, also inside of the results of tools."""
    for part in content if isinstance(content, list) and depth <= _DEEPEST else [content]:
        if not isinstance(part, dict):
            continue
        source = part.get("source")
        for data in (pdf_in(part.get("file")), pdf_of_source(source)):
            if data is not None:
                yield data
        yield from _pdfs_in(part.get("content"), depth + 1)
        if isinstance(source, dict):
            yield from _pdfs_in(source.get("content"), depth + 1)
