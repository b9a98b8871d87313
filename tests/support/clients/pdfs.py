"""PDFs for tests: plain and deceptive ones. Objects are bytes by number; 1 is the root, 2 the pages."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

Objects = dict[int, bytes]

ROOT = b"<</Type/Catalog/Pages 2 0 R>>"
HELLO = b"BT /F1 12 Tf (Hello, world) Tj ET"


def stream(data: bytes, more: bytes = b"", *, deflated: bool = True) -> bytes:
    raw = zlib.compress(data) if deflated else data
    coding = b"/Filter/FlateDecode" if deflated else b""
    return b"<<" + coding + more + b"/Length %d>>\nstream\n" % len(raw) + raw + b"\nendstream"


def tree(pages: int, contents: bytes = b"4 0 R", more: bytes = b"", first: int = 10) -> Objects:
    """Return the root, and so many pages that all show the same."""
    kids = b" ".join([b"%d 0 R" % (first + number) for number in range(pages)])
    page = b"<</Type/Page/Parent 2 0 R/Contents " + contents + more + b">>"
    top = b"<</Type/Pages/Count %d/Kids[" % pages + kids + b"]>>"
    return {1: ROOT, 2: top} | {first + number: page for number in range(pages)}


def plain(pages: int = 1, shown: bytes = HELLO, more: bytes = b"", **objects: bytes) -> bytes:
    """Return a file whose pages show this; `objects` are `n20=...`, `more` is of each page."""
    others = {int(name[1:]): value for name, value in objects.items()}
    return built(tree(pages, more=more) | {4: stream(shown)} | others)


def built(objects: Mapping[int, bytes], trailer: bytes = b"") -> bytes:
    """Return a file with a table of contents as text."""
    return _with_table(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", objects, trailer)


def updated(before: bytes, objects: Mapping[int, bytes]) -> bytes:
    """Append an update, as programs do that sign or fill in."""
    start = before[before.rindex(b"startxref") :].split()[1]
    return _with_table(before, objects, b"/Prev " + start)


def packed(objects: Mapping[int, bytes], inside: tuple[int, ...], told: tuple[int, ...] = ()) -> bytes:
    """Return a file of today: objects in a stream of objects (30), the table in a stream (31)."""
    told = told or inside
    head, body = b"", b""
    for number, name in zip(inside, told, strict=True):
        head += b"%d %d " % (name, len(body))
        body += objects[number] + b"\n"
    box = stream(head + body, b"/Type/ObjStm/N %d/First %d" % (len(inside), len(head)))
    outer = {number: value for number, value in objects.items() if number not in inside} | {30: box}
    data, places = b"%PDF-1.7\n", {}
    for number, value in outer.items():
        places[number] = (1, len(data), 0)
        data += b"%d 0 obj\n" % number + value + b"\nendobj\n"
    places |= {number: (2, 30, place) for place, number in enumerate(inside)}
    places[31] = (1, len(data), 0)
    rows, before, most = b"", bytes(7), max(places) + 1
    for number in range(most):
        kind, where, last = places.get(number, (0, 0, 0))
        row = bytes([kind]) + where.to_bytes(4) + last.to_bytes(2)
        rows += b"\x02" + bytes([(a - b) & 0xFF for a, b in zip(row, before, strict=True)])
        before = row
    table = b"/Type/XRef/W[1 4 2]/Size %d/Root 1 0 R/DecodeParms<</Predictor 12/Columns 7>>" % most
    start = len(data)
    return data + b"31 0 obj\n" + stream(rows, table) + b"\nendobj\nstartxref\n%d\n%%%%EOF\n" % start


def _with_table(data: bytes, objects: Mapping[int, bytes], trailer: bytes) -> bytes:
    places = {}
    for number, value in objects.items():
        places[number] = len(data)
        data += b"%d 0 obj\n" % number + value + b"\nendobj\n"
    start = len(data)
    data += b"xref\n0 1\n0000000000 65535 f \n"
    for number, at in places.items():
        data += b"%d 1\n%010d 00000 n \n" % (number, at)
    data += b"trailer\n<</Size 99999/Root 1 0 R" + trailer + b">>\n"
    return data + b"startxref\n%d\n%%%%EOF\n" % start
