"""K1: a PDF is bounded by its pages, counted from its own bytes; one with a false count is not measured."""

from __future__ import annotations

import contextlib
import time
import zlib

import pytest

from providers.media.pdf.measure import measure
from providers.media.pdf.syntax import Unreadable
from tests.support.clients.pdfs import HELLO, ROOT, built, packed, plain, stream, tree, updated


@pytest.mark.parametrize("pages", [1, 7, 500])
def test_pages_are_counted_by_walking_the_tree(pages):
    found = measure(plain(pages))
    assert found.pages == pages
    assert found.text_bytes >= pages * len("Hello, world")


def test_pages_of_a_file_whose_objects_are_in_streams_are_counted():
    objects = tree(3) | {4: stream(HELLO)}
    found = measure(packed(objects, (1, 2, 10, 11, 12)))
    assert found == measure(built(objects))


def test_a_tree_of_several_levels_is_walked():
    objects = tree(3) | {4: stream(HELLO)}
    objects[2] = b"<</Type/Pages/Count 3/Kids[20 0 R 12 0 R]>>"
    objects[20] = b"<</Type/Pages/Count 2/Parent 2 0 R/Kids[10 0 R 11 0 R]>>"
    assert measure(built(objects)).pages == 3


PAGES = tree(3) | {4: stream(HELLO)}


def changed(number, value):
    return built(PAGES | {number: value})


LIARS = {
    "a count of one": built(tree(500) | {4: stream(HELLO), 2: tree(500)[2].replace(b"/Count 500", b"/Count 1")}),
    "a count too large": changed(2, PAGES[2].replace(b"/Count 3", b"/Count 4")),
    "no count": changed(2, PAGES[2].replace(b"/Count 3", b"")),
    "a page shared": changed(2, b"<</Type/Pages/Count 3/Kids[10 0 R 10 0 R 10 0 R]>>"),
    "a tree in itself": changed(2, b"<</Type/Pages/Count 3/Kids[2 0 R]>>"),
    "a page that has pages": changed(10, b"<</Type/Page/Kids[11 0 R 12 0 R]/Count 1>>"),
    "a node that is a page": changed(10, b"<</Type/Pages/Contents 4 0 R>>"),
    "two lists of pages": changed(2, PAGES[2][:-2] + b"/Kids[10 0 R]>>"),
    "two lists, one escaped": changed(2, PAGES[2][:-2] + b"/K#69ds[10 0 R]>>"),
    "a page that is missing": built({number: value for number, value in PAGES.items() if number != 11}),
    "an update": updated(built(PAGES), {2: b"<</Type/Pages/Count 1/Kids[10 0 R]>>"}),
    "an update of the root": updated(built(PAGES), {1: ROOT.replace(b"2 0", b"20 0"), 20: PAGES[2]}),
    "an update that hides": updated(built(tree(1) | {4: stream(HELLO)}), {2: PAGES[2], 11: PAGES[11], 12: PAGES[12]}),
    "encrypted": built(PAGES, b"/Encrypt 9 0 R"),
    "encrypted with null": built(PAGES, b"/Encrypt null"),
    "an object that is told of nowhere": built(PAGES).replace(b"%\xe2\xe3\xcf\xd3\n", b"2 0 obj\n", 1),
    "an object in a comment": built(PAGES | {5: b"(2 0 obj)"}),
    "a head that a search does not find": built(PAGES).replace(b"2 0 obj", b"2 0%obj", 1),
    "a table that is shifted": built(PAGES).replace(b"%PDF-1.7\n", b"%PDF-1.7\n \n", 1),
    "no end": built(PAGES)[:-6],
    "something after the end": built(PAGES) + b"2 0 obj<</Kids[]>>endobj",
    "another stream of objects": packed(PAGES, (1, 2, 10, 11, 12), (1, 10, 2, 11, 12)),
    "a stream of objects with another's": packed(PAGES, (1, 2, 10, 11, 12), (1, 2, 10, 11, 40)),
    "a length too short": built(PAGES | {4: stream(HELLO, deflated=False).replace(b"/Length 33", b"/Length 10")}),
    "a content elsewhere": changed(4, stream(HELLO, b"/F(other.pdf)")),
    "a page in no tree": changed(20, b"<</Type/Page/Contents 4 0 R>>"),
    "no pages": changed(2, b"<</Type/Pages/Count 0/Kids[]>>"),
    "not a PDF": b"%PDF-1.7 nothing",
    "empty": b"%PDF-1.7\n",
    "junk in front": b"junk" + built(PAGES),
    "nested too deep": changed(9, b"[" * 5_000 + b"]" * 5_000),
}  # fmt: skip


@pytest.mark.parametrize("name", LIARS)
def test_a_file_that_readers_could_read_in_two_ways_is_not_counted(name):
    assert LIARS[name] != built(PAGES)
    with pytest.raises(Unreadable):
        measure(LIARS[name])


def bomb():
    data = zlib.compress(bytes(100_000_000), 1)
    return {4: b"<</Filter/FlateDecode/Length %d>>\nstream\n" % len(data) + data + b"\nendstream"}


def deflated_twice():
    whole = stream(zlib.compress(bytes(10_000_000)), b"")
    return {4: whole.replace(b"/FlateDecode", b"[/FlateDecode/FlateDecode]")}


@pytest.mark.parametrize(
    "objects",
    [
        bomb,
        deflated_twice,
        lambda: tree(1, b"[" + b"4 0 R " * 5_000 + b"]") | {4: stream(b" " * 1_000_000)},
        lambda: {4: stream(HELLO).replace(b"/FlateDecode", b"/LZWDecode")},
        lambda: {4: stream(HELLO)[:-40] + b"\nendstream"},
    ],
    ids=["deflated", "deflated twice", "shown again and again", "another coding", "cut short"],
)
def test_what_grows_when_it_is_read_is_not_read(objects):
    with pytest.raises(Unreadable):
        measure(built(tree(1) | objects()))


HOSTILE = {  # of so many pieces
    "numbers": lambda count: b"%PDF-1.7\n" + b"1 " * count,
    "one number": lambda count: b"%PDF-1.7\n" + b"7" * (2 * count),
    "white space": lambda count: b"%PDF-1.7\n" + b" " * (2 * count),
    "opened strings of digits": lambda count: built(tree(1) | {4: stream(b"<" * count)}),
    "names": lambda count: built(tree(1) | {4: stream(b"/a " * count)}),
    "opened strings": lambda count: built(tree(1) | {4: stream(b"(" * count)}),
    "words and references": lambda count: built(
        tree(1) | {4: stream(b"D " * count), 5: b"[" + b"5 0 " * (count // 6) + b"]"}
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_bytes_take_time_that_grows_with_their_size(kind):
    """Sixteen times the size takes far less than its square, on one CPU clock; the best of three each."""
    small, large = (least_s(HOSTILE[kind](count)) for count in (10_000, 160_000))
    assert large < 100 * max(small, 0.0005)


def least_s(data):
    def once():
        began = time.thread_time()
        with contextlib.suppress(Unreadable):
            measure(data)
        return time.thread_time() - began

    return min(once() for _ in range(3))


def test_the_caller_may_cancel_measuring():
    class Enough(Exception):
        pass

    def tick():
        raise Enough

    with pytest.raises(Enough):
        measure(plain(), tick)
