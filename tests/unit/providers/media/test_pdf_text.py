"""K1: the text of a PDF's pages is bounded by what they show, in every spelling; the rest is not measured."""

from __future__ import annotations

import pytest

from providers.media.pdf.measure import measure
from providers.media.pdf.syntax import Unreadable
from tests.support.clients.pdfs import HELLO, built, plain, stream, tree

ONE = b"/Type/XObject/Subtype/Form"


def with_letters(shown, mapped, **more):
    fonts = b"/Resources<</Font<</F1 20 0 R>>>>"
    return plain(1, shown, fonts, n20=b"<</Type/Font/ToUnicode 21 0 R>>", n21=stream(mapped), **more)


def drawing(shown, times=1, name=b"/X1"):
    """A page that draws a form so often; the form shows this."""
    named = b"/Resources<</XObject<</X1 20 0 R>>>>"
    return plain(1, (name + b" Do ") * times, named, n20=stream(shown, ONE))


LONG = b"0061" * 60
SHOWN = {
    "a megabyte on a page": (plain(1, b"(" + b"a" * 1_000_000 + b")Tj"), 1_000_000),
    "many strings": (plain(1, b"[(ab) -250 (cd)]TJ " * 10_000), 50_000),
    "digits for letters": (plain(1, b"<" + b"41 42\n" * 10_000 + b">Tj"), 20_000),
    "escapes": (plain(1, rb"(\101\102\)\(\\)" * 1_000), 5_000),
    "brackets inside": (plain(1, b"(a(b(c)d)e)Tj" * 1_000), 9_000),
    "a string over two streams": (
        built(tree(1, b"[4 0 R 5 0 R]") | {4: stream(b"(" + b"a" * 5_000), 5: stream(b"b" * 5_000 + b")Tj")}), 10_000),
    "the same on each page": (plain(100, b"(" + b"a" * 1_000 + b")Tj"), 100_000),
    "one stream again and again": (built(tree(1, b"[" + b"4 0 R " * 50 + b"]") | {4: stream(HELLO)}), 50 * 12),
    "drawn again and again": (drawing(b"(" + b"a" * 1_000 + b")Tj", 1_000), 1_000_000),
    "drawn by another name": (drawing(b"(" + b"a" * 1_000 + b")Tj", 100, b"/X#31"), 100_000),
    "a letter for sixty": (
        with_letters(b"(" + b"\x0e" * 1_000 + b")Tj", b"1 beginbfchar <0e> <" + LONG + b"> endbfchar"), 60_000),
    "a range for sixty": (
        with_letters(b"(" + b"\x0e" * 1_000 + b")Tj", b"1 beginbfrange <0a> <0f> <" + LONG + b"> endbfrange"), 60_000),
    "a list for sixty": (
        with_letters(b"(" + b"A" * 1_000 + b")Tj", b"1 beginbfrange <41><42>[<" + LONG + b"> <61>]endbfrange"), 60_000),
    "a map over several bytes": (
        with_letters(b"<" + b"0141" * 1_000 + b">Tj", b"1 beginbfrange <0041> <0241> <" + LONG + b"> endbfrange"),
        60_000),
    "letters with long names": (
        plain(1, b"(" + b"A" * 1_000 + b")Tj", n20=b"<</Differences[65/uni006100620063006400650066]>>"), 6_000),
    "a note beside the page": (plain(1, HELLO, n20=b"<</Type/Annot/Contents(" + b"a" * 5_000 + b")>>"), 5_000),
    "a note that refers to its text": (
        plain(1, HELLO, n20=b"[" + b"<</Contents 21 0 R>>" * 100 + b"]", n21=b"(" + b"a" * 1_000 + b")"), 100_000),
    "how a field looks": (
        plain(1, HELLO, n20=b"<</Type/Annot/AP<</N 21 0 R>>>>", n21=stream(b"(" + b"a" * 5_000 + b")Tj", ONE)), 5_000),
    "how a field looks when it is on": (
        plain(1, HELLO, n20=b"<</AP<</N<</On 21 0 R>>>>>>", n21=stream(b"(" + b"a" * 5_000 + b")Tj", ONE)), 5_000),
    "said instead of what is seen": (plain(1, b"/Span <</ActualText(" + b"a" * 5_000 + b")>> BDC"), 5_000),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_no_text_that_a_page_shows_is_more_than_its_bound(name):
    data, least = SHOWN[name]
    assert measure(data).text_bytes >= least


def test_drawings_in_drawings_multiply():
    levels = {20 + n: stream(b"/X%d Do " % (n + 1) * 10, ONE) for n in range(1, 9)}
    named = b" ".join([b"/X%d %d 0 R" % (n, 20 + n) for n in range(1, 10)])
    more = b"/Resources<</XObject<<" + named + b">>>>"
    page = built(tree(1, more=more) | {4: stream(b"/X1 Do")} | levels | {29: stream(b"(ab)Tj", ONE)})
    assert measure(page).text_bytes >= 2 * 10**8


def test_the_bound_of_an_ordinary_page_is_a_few_times_its_text():
    line = b"[(An ordinary line of a page, as programs write it,) -333 ( with a gap.)]TJ T*\n"
    found = measure(plain(10, line * 40))
    assert found.text_bytes <= 10 * 40 * 70 * 4


def test_letters_that_are_two_weigh_no_others():
    """As LaTeX writes them: `fi` and `ffi` are one code each."""
    mapped = b"2 beginbfrange <41> <5A> <0041> <61> <7A> <0061> endbfrange 1 beginbfchar <02> <006600660069> endbfchar"
    found = measure(with_letters(b"(" + b"a" * 990 + b"\x02" * 10 + b")Tj", mapped))
    assert 990 + 30 <= found.text_bytes <= 3 * 990 + 9 * 10 + 20


def test_a_picture_on_a_page_shows_no_text():
    picture = stream(b"\x00(" * 5_000, b"/Subtype/Image/Width 100/Height 100")
    named = b"/Resources<</XObject<</Im1 20 0 R>>>>"
    assert measure(plain(1, b"/Im1 Do", named, n20=picture)).text_bytes < 100


HIDDEN = {
    "letters that show text": plain(1, HELLO, n20=b"<</CharProcs<</a 21 0 R>>>>", n21=stream(b"(long)Tj")),
    "letters that draw": plain(1, HELLO, n20=b"<</CharProcs<</a 21 0 R>>>>", n21=stream(b"/X1 Do")),
    "a pattern that shows text": plain(1, HELLO, n20=b"<</Pattern<</P1 21 0 R>>>>", n21=stream(b"(x)Tj")),
    "a form of another kind": plain(1, HELLO, n20=b"<</XFA 21 0 R>>", n21=stream(b"<xml/>")),
    "a file inside": plain(1, HELLO, n20=b"<</EF<</F 21 0 R>>>>", n21=stream(b"text")),
    "a remark in a content": plain(1, b"%(\n(a)Tj"),
    "a picture in a content": plain(1, b"BI /W 1 ID < EI (a)Tj"),
    "a string without an end": plain(1, b"(a)Tj (b"),
    "digits that are none": plain(1, b"<41zz>Tj"),
    "an unknown drawing": plain(1, b"/X9 Do"),
    "a drawing in itself": drawing(b"/X1 Do"),
    "a drawing without a name": plain(1, b"q Do"),
    "a map with a remark": with_letters(b"(A)Tj", b"1 beginbfchar <41> %x\n <" + LONG + b"> endbfchar"),
    "a map with other blanks": with_letters(b"(A)Tj", b"1 beginbfchar <4\x0b1> <00610062> endbfchar"),
    "a range with other blanks": with_letters(b"(A)Tj", b"1 beginbfrange <41> <42> <0\x0b61> endbfrange"),
    "a map with names": with_letters(b"(A)Tj", b"1 beginbfchar <41> /a_long_name endbfchar"),
    "a map with a gap": with_letters(b"(A)Tj", b"1 beginbfrange <41> <> <0061> endbfrange x beginbfchar<41>"),
    "a map that uses another": with_letters(b"(A)Tj", b"/Other usecmap"),
    "a note on two pages": plain(2, HELLO, b"/Annots[20 0 R]", n20=b"<</Type/Annot/Contents(long)>>"),
    "notes of two pages": plain(2, HELLO, b"/Annots 21 0 R", n20=b"<</Contents(long)>>", n21=b"[20 0 R]"),
    "one note, two generations": plain(1, HELLO, b"/Annots[20 0 R 20 1 R]", n20=b"<</Contents(long)>>"),
    "one note, two numbers": plain(
        1, HELLO, b"/Annots[21 0 R 22 0 R]", n20=b"<<>>", n21=b"20 0 R", n22=b"20 0 R"
    ),
    "a list of notes on two pages": plain(2, HELLO, b"/Annots 20 0 R", n20=b"[<</Contents(long)>>]"),
    "a list of notes, two generations": built(
        tree(2, more=b"/Annots 20 0 R")
        | {4: stream(HELLO), 20: b"[<</Contents(x)>>]"}
        | {11: b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Annots 20 1 R>>"}
    ),
    "a field whose text is a stream": plain(1, HELLO, n20=b"<</FT/Tx/V 21 0 R>>", n21=stream(b"long")),
    "a note whose text is a stream": plain(1, HELLO, n20=b"<</RC 21 0 R>>", n21=stream(b"long")),
    "a text that many fields show": plain(
        1, HELLO, n20=b"<</FT/Tx/V(long)/Kids[21 0 R 22 0 R]>>", n21=b"<<>>", n22=b"<<>>"
    ),
    "a rest that many fields show": plain(
        1, HELLO, n20=b"<</DV 21 0 R/Kids[22 0 R]>>", n21=b"(long)", n22=b"<<>>"
    ),
    "a caption of many fields": plain(1, HELLO, n20=b"<</MK 21 0 R>>", n21=b"<</CA(long)>>"),
    "text for text by name": plain(1, b"/Span /P1 BDC", n20=b"<</Properties<</P1<</ActualText(long)>>>>>>"),
    "fields filled in by the reader": plain(1, HELLO, n20=b"<</NeedAppearances true/Fields[]>>"),
    "a map that is none": plain(1, HELLO, n20=b"<</ToUnicode 1 0 R>>"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_text_that_cannot_be_followed_is_not_measured(name):
    with pytest.raises(Unreadable):
        measure(HIDDEN[name])
