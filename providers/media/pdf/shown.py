"""An upper bound of the text that a PDF's content shows, with all forms that it draws by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from providers.media.pdf.file import File
from providers.media.pdf.letters import LEAST, weights_of
from providers.media.pdf.streams import Stream
from providers.media.pdf.syntax import (
    Ref,
    Text,
    Unreadable,
    end_of_text,
    hex_bytes,
    name_of,
    unescaped,
)

BETWEEN: Final = 2  # bytes that a reader inserts between two strings: a space, a line break
MOST_TEXT: Final = 1 << 40
_REGULAR: Final = rb"[^\0\t\n\f\r ()<>\[\]{}/%]"
_NEXT: Final = re.compile(
    rb"(\()|<<|<([0-9A-Fa-f\0\t\n\f\r ]*+)>|([<%])"
    rb"|/(" + _REGULAR + rb"*+)(?:[\0\t\n\f\r ]++(Do)(?!" + _REGULAR + rb"))?"
    rb"|(?<!" + _REGULAR + rb")(BI|Do)(?!" + _REGULAR + rb")"
)


_ELSEWHERE: Final = (b"XFA", b"NeedAppearances", b"EF", b"EmbeddedFiles", b"RichMedia")
_VALUES: Final = (b"V", b"DV", b"RV", b"RC")  # of a field or annotation: text, which may be a stream
_INSTEAD: Final = (b"ActualText", b"Alt", b"E")


class Content(NamedTuple):
    """What one content shows and draws by itself."""

    text: int  # bytes
    draws: tuple[bytes, ...]  # by name, one entry per use


class Shown:
    """The text shown by one file."""

    def __init__(self, file: File) -> None:
        """Raises Unreadable."""
        self._file = file
        self._weights = weights_of(file)
        self._is_plain = max(self._weights) == min(self._weights)
        self._contents: dict[tuple[int, ...], Content] = {}
        self._forms: dict[bytes, set[int]] = {}
        self._of_form: dict[int, int] = {}
        self._open: set[int] = set()
        for info in file.dicts():
            self._look(info)

    def of_page(self, page: dict[bytes, Any]) -> int:
        """Return the bytes of text that a page shows. Raises Unreadable."""
        contents = self._file.get(page.get(b"Contents"))
        if contents is None:
            return 0
        several = contents if isinstance(contents, list) else [page[b"Contents"]]
        if not all(isinstance(each, Ref) for each in several):
            raise Unreadable("a content that is none")
        return self._sum(self._content(tuple([each.number for each in several])))

    def beside_pages(self) -> int:
        """Return the bytes of all other text: annotations, fields, outline titles, and their appearance streams."""
        text = sum([self._texts(value) for value in (*self._file.objects.values(), *self._file.trailers)])
        for info in self._file.dicts():
            looks = self._file.get(info.get(b"AP"))
            if looks is not None:
                text += sum([self._of_stream(number) for number in self._streams(looks)])
        return text

    def _look(self, info: dict[bytes, Any]) -> None:
        """Note what can be drawn by name; refuse what may show text in ways that are not measured."""
        if not info.keys().isdisjoint(_ELSEWHERE):
            raise Unreadable("it carries other files, or forms that are filled in when they are read")
        self._refuse_fields(info)
        self._refuse_marks(self._file.get(info.get(b"Properties")))
        for key in (b"CharProcs", b"Pattern"):
            named = self._file.get(info.get(key))
            if isinstance(named, dict):
                for number in self._streams(named):
                    if self._content((number,)) != Content(0, ()):
                        raise Unreadable("letters or patterns that show text")
        named = self._file.get(info.get(b"XObject"))
        if isinstance(named, dict):
            for name, value in named.items():
                if not isinstance(value, Ref):
                    raise Unreadable("a drawing that is nowhere")
                self._forms.setdefault(bytes(name), set()).add(value.number)

    def _refuse_fields(self, info: dict[bytes, Any]) -> None:
        """Refuse field text that may be shown several times: by its kids, or by fields that share an appearance."""
        texts = [self._file.get(info.get(key)) for key in _VALUES]
        if any(isinstance(text, Stream) for text in texts):
            raise Unreadable("text of a field or note that is a stream")
        is_shared = b"Kids" in info and any(isinstance(text, Text) for text in texts)
        if is_shared or isinstance(info.get(b"MK"), Ref):
            raise Unreadable("text that several fields show")

    def _refuse_marks(self, named: Any) -> None:
        """Refuse marks with replacement text: a content may use a mark any number of times, each with that text."""
        marks = [self._file.get(value) for value in named.values()] if isinstance(named, dict) else []
        if any(isinstance(mark, dict) and not mark.keys().isdisjoint(_INSTEAD) for mark in marks):
            raise Unreadable("text that stands for other text by name")

    def _streams(self, value: Any) -> Iterator[int]:
        """Yield the numbers of the streams in a dictionary, or in the dictionaries in it."""
        for item in value.values() if isinstance(value, dict) else [value]:
            found = self._file.get(item)
            if isinstance(found, Stream) and isinstance(item, Ref):
                yield item.number
            elif isinstance(found, dict):
                for inner in found.values():
                    if isinstance(inner, Ref) and isinstance(self._file.get(inner), Stream):
                        yield inner.number

    def _sum(self, content: Content) -> int:
        text = content.text
        for name in content.draws:
            if name not in self._forms:
                raise Unreadable("an unknown kind of drawing")
            text += max([self._of_stream(number) for number in self._forms[name]])
            if text > MOST_TEXT:
                raise Unreadable("more text than anybody reads")
        return text

    def _of_stream(self, number: int) -> int:
        """Return the bytes of text of a form, including the forms in it."""
        if number not in self._of_form:
            stream = self._file.objects.get(number)
            if not isinstance(stream, Stream) or number in self._open or len(self._open) > 20:  # noqa: PLR2004
                raise Unreadable("a drawing in itself, or none")
            if stream.info.get(b"Subtype") == b"Image":
                return 0
            self._open.add(number)
            self._of_form[number] = self._sum(self._content((number,)))
            self._open.discard(number)
        return self._of_form[number]

    def _content(self, numbers: tuple[int, ...]) -> Content:
        if numbers not in self._contents:
            found = [self._file.objects.get(number) for number in numbers]
            streams = [stream for stream in found if isinstance(stream, Stream)]
            if len(streams) < len(found):
                raise Unreadable("a content that is none")
            data = b"\n".join([self._file.inflater.bytes_of(stream) for stream in streams])
            self._contents[numbers] = self._read(data)
        return self._contents[numbers]

    def _read(self, data: bytes) -> Content:
        text, draws, at = 0, [], 0
        while found := _NEXT.search(data, at):
            at = found.end()
            self._file.tick()
            if found[1]:
                end = end_of_text(data, at)
                text += self._weight(unescaped(data[at : end - 1]))
                at = end
            elif found[2] is not None:
                text += self._weight(hex_bytes(found[2]))
            elif found[3] or found[6]:
                raise Unreadable("a content of another shape")
            elif found[5]:
                draws.append(name_of(found[4]))
        return Content(text, tuple(draws))

    def _weight(self, text: bytes) -> int:
        if self._is_plain:
            return len(text) * self._weights[0] + BETWEEN
        return sum([self._weights[code] for code in text]) + BETWEEN

    def _texts(self, value: Any) -> int:
        """Return the bytes of all strings in a value; a string behind a reference counts at each reference, too."""
        if isinstance(value, Stream):
            value = value.info
        if isinstance(value, dict | list):
            return sum([self._texts(item) for item in (value.values() if isinstance(value, dict) else value)])
        if isinstance(value, Ref):
            value = self._file.objects.get(value.number)
        return LEAST * len(value) + BETWEEN if isinstance(value, Text) else 0
