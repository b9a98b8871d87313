"""The pages of a PDF, and an upper bound of their text. Never on the event loop: takes seconds for a large file."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.media.pdf.file import File
from providers.media.pdf.shown import Shown
from providers.media.pdf.syntax import Ref, Tick, Unreadable

MOST_PAGES: Final = 10_000
MOST_LEVELS: Final = 40


class Document(msgspec.Struct, frozen=True):
    """Both are upper bounds. `text_bytes` in UTF-8; no tokenizer produces more tokens than bytes."""

    pages: int
    text_bytes: int


def measure(data: bytes, tick: Tick = lambda: None) -> Document:
    """Raises Unreadable, and what `tick` raises."""
    file = File(data, tick)
    roots = {trailer[b"Root"] for trailer in file.trailers if isinstance(trailer.get(b"Root"), Ref)}
    root = file.get(roots.pop()) if len(roots) == 1 else None
    if not isinstance(root, dict):
        raise Unreadable("no root")
    pages = _pages(file, root.get(b"Pages"))
    _check_alone(file, pages)
    shown = Shown(file)
    return Document(len(pages), sum([shown.of_page(page) for page in pages]) + shown.beside_pages())


def _check_alone(file: File, pages: list[dict[bytes, Any]]) -> None:
    """Check that there are no pages outside of the tree, and that no annotation, or list of them, is on two pages."""
    if sum([info.get(b"Type") == b"Page" for info in file.dicts()]) != len(pages):
        raise Unreadable("pages that are in no tree")
    seen: set[int] = set()
    for page in pages:
        listed = page.get(b"Annots")
        notes = file.get(listed)
        several = [listed, *notes] if isinstance(notes, list) else [listed]
        numbers = [each.number for each in several if isinstance(each, Ref)]
        if len(set(numbers)) != len(numbers) or not seen.isdisjoint(numbers):
            raise Unreadable("a note on two pages")
        seen.update(numbers)


def _pages(file: File, top: Any) -> list[dict[bytes, Any]]:
    """Walk the page tree. A page that is in it twice, or a wrong number of pages, is an error."""
    pages: list[dict[bytes, Any]] = []
    seen: set[Ref] = set()

    def walk(ref: Any, level: int) -> int:
        node = file.get(ref)
        if not isinstance(ref, Ref) or ref in seen or level > MOST_LEVELS or not isinstance(node, dict):
            raise Unreadable("a tree of pages that is none")
        seen.add(ref)
        if node.get(b"Type") == b"Page" and b"Kids" not in node:
            pages.append(node)
            if len(pages) > MOST_PAGES:
                raise Unreadable("too many pages")
            return 1
        kids = file.get(node.get(b"Kids"))
        if node.get(b"Type") != b"Pages" or not isinstance(kids, list):
            raise Unreadable("a tree of pages that is none")
        count = sum([walk(kid, level + 1) for kid in kids])
        if node.get(b"Count") != count:
            raise Unreadable("a number of pages that is not theirs")
        return count

    if not walk(top, 0):
        raise Unreadable("no page")
    return pages
