"""Marks the ids in a provider's response objects, and restores the marked ids in a request, by spans, in place.

In a response: `id`, `previous_response_id` and `conversation` of a response, ids of items wherever they occur, those of
containers, and `encrypted_content`. The model is the alias again, and names of end users and caches, which are sent
salted, are the client's own again. Nothing else is read, so unknown members pass unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from providers.conversation.responses.reasoning_items import PURPOSE
from providers.isolation.ownership import ID_MARK, LONGEST_ID, MARK_BYTES, Ownership
from providers.json_scan.spans import Reader

_ID: Final = f"_{ID_MARK}".encode()
_LONGEST_PREFIX: Final = 32
_MARKED_ID: Final = re.compile(rb'"([A-Za-z0-9]{1,16}_gw1[A-Za-z0-9_-]{32,512})"')
_MARKED_TEXT: Final = re.compile(rb'"([^"\\~]*+~gw1\.[A-Za-z0-9_-]{32})"')
_ITEM_ID: Final = re.compile(rb'"item_id":\s?"([A-Za-z0-9_-]{1,512})"')
_encode = msgspec.json.Encoder().encode
_text = msgspec.json.Decoder(str)

Change = Callable[[str], str]


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What a response is marked with. `own`: the client's values of members that were sent salted."""

    alias: str
    owner: int
    ownership: Ownership | None
    own: dict[str, bytes] = {}

    def id(self, text: str) -> str:
        return text if self.ownership is None else self.ownership.mark_id(text, self.owner)

    def content(self, text: str) -> str:
        return text if self.ownership is None else self.ownership.mark(text, self.owner, PURPOSE)


class Marker:
    """Marks the events of one stream, or one response. The ids of items are computed once."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._items: dict[bytes, bytes] = {}  # ids as received, and as sent to the client

    def response(self, raw: bytes) -> bytes:
        """Return a response object for the client. Raises MalformedAnswer."""
        return self._edited(raw, self._response)

    def item_list(self, raw: bytes) -> bytes:
        """Return a list of items (`GET .../input_items`) for the client. Raises MalformedAnswer."""
        return self._edited(raw, self._item_list)

    def event(self, raw: bytes) -> bytes:
        """Return the data of an event for the client. Raises MalformedAnswer."""
        found = _ITEM_ID.search(raw)
        known = self._items.get(found[1]) if found is not None else None
        if found is not None and known is not None and raw.find(b'"item"') < 0:
            # Inside of texts every quote is escaped, so these bytes are the member.
            return b"".join((raw[: found.start(1)], known, raw[found.end(1) :]))
        return self._edited(raw, self._event)

    def _edited(self, raw: bytes, read: Callable[[_Edits], None]) -> bytes:
        edits = _Edits(raw)
        read(edits)
        return edits.result()

    def _event(self, edits: _Edits) -> None:
        reader = edits.reader
        for name, _, _ in reader.members():
            if name == "response" and reader.next == b"{":
                self._response(edits)
            elif name == "item" and reader.next == b"{":
                self._item(edits)
            elif name == "item_id":
                edits.change(self._item_id)
            elif name == "response_id":
                edits.change(self._marks.id)
            elif name == "annotation" and reader.next == b"{":
                self._containers(edits)
            else:
                reader.skip()

    def _response(self, edits: _Edits) -> None:
        reader = edits.reader
        for name, _, _ in reader.members():
            if name in {"id", "previous_response_id"}:
                edits.change(self._marks.id)
            elif name == "model":
                edits.change(lambda _: self._marks.alias)
            elif name == "output" and reader.next == b"[":
                self._items_in(edits)
            elif name == "conversation" and reader.next == b"{":
                for inner, _, _ in reader.members():
                    edits.change(self._marks.id) if inner == "id" else reader.skip()
            elif name in self._marks.own:
                begin = reader.at
                edits.replace(begin, reader.skip(), self._marks.own[name])
            else:
                reader.skip()

    def _item_list(self, edits: _Edits) -> None:
        reader = edits.reader
        for name, _, _ in reader.members():
            if name == "data" and reader.next == b"[":
                self._items_in(edits)
            elif name in {"first_id", "last_id"}:
                edits.change(self._item_id)
            else:
                reader.skip()

    def _items_in(self, edits: _Edits) -> None:
        for _ in edits.reader.elements():
            self._item(edits) if edits.reader.next == b"{" else edits.reader.skip()

    def _item(self, edits: _Edits) -> None:
        reader = edits.reader
        for name, _, _ in reader.members():
            if name == "id":
                edits.change(self._item_id)
            elif name == "encrypted_content":
                edits.change(self._marks.content)
            elif name == "container_id":
                edits.change(self._marks.id)
            elif name == "content" and reader.next == b"[":
                for _ in reader.elements():
                    self._annotations(edits) if reader.next == b"{" else reader.skip()
            else:
                reader.skip()

    def _annotations(self, edits: _Edits) -> None:
        reader = edits.reader
        for name, _, _ in reader.members():
            if name != "annotations" or reader.next != b"[":
                reader.skip()
                continue
            for _ in reader.elements():
                self._containers(edits) if reader.next == b"{" else reader.skip()

    def _containers(self, edits: _Edits) -> None:
        for name, _, _ in edits.reader.members():
            edits.change(self._marks.id) if name == "container_id" else edits.reader.skip()

    def _item_id(self, text: str) -> str:
        marked = self._marks.id(text)
        self._items[text.encode("utf-8", "replace")] = marked.encode("utf-8", "replace")
        return marked


class _Edits:
    """Replacements in a document, in the order of its bytes."""

    def __init__(self, raw: bytes) -> None:
        self.reader = Reader(raw)
        self._edits: list[tuple[int, int, bytes]] = []

    def change(self, change: Change) -> None:
        """Replace the string that the reader is at; anything else stays."""
        begin = self.reader.at
        end = self.reader.skip()
        raw = self.reader.raw[begin:end]
        if raw[:1] == b'"' and len(raw) > 2:  # noqa: PLR2004 - the quotes
            try:
                self._edits.append((begin, end, _encode(change(_text.decode(raw)))))
            except (msgspec.DecodeError, UnicodeDecodeError):
                return

    def replace(self, begin: int, end: int, instead: bytes) -> None:
        self._edits.append((begin, end, instead))

    def result(self) -> bytes:
        raw = self.reader.raw
        if not self._edits:
            return raw
        pieces: list[bytes] = []
        at = 0
        for begin, end, instead in self._edits:
            pieces += (raw[at:begin], instead)
            at = end
        return b"".join([*pieces, raw[at:]])


def restored(raw: bytes, ownership: Ownership | None, account: Callable[[int], bool]) -> bytes:
    """Return a request body with the vendor's own ids and reasoning in place of the marked ones.

    Only whole strings with a valid mark of this tenant are replaced. `account` returns whether a deployment's state is
    valid at the target; reasoning of others stays marked.
    """
    if ownership is None:
        return raw
    pieces: list[bytes | memoryview] = []
    at, whole = 0, memoryview(raw)
    for begin, end, instead in sorted(_ids_in(raw, ownership) + _texts_in(raw, ownership, account)):
        pieces += (whole[at:begin], instead)
        at = end
    return raw if not pieces else b"".join([*pieces, whole[at:]])


def _ids_in(raw: bytes, ownership: Ownership) -> list[tuple[int, int, bytes]]:
    found, at = [], raw.find(_ID)
    while at >= 0:
        quote = raw.rfind(b'"', max(0, at - _LONGEST_PREFIX), at)
        match = _MARKED_ID.match(raw, quote, quote + LONGEST_ID + 2) if quote >= 0 else None
        owned = None if match is None else ownership.read_id(match[1].decode())
        if match is not None and owned is not None:
            found.append((match.start(), match.end(), _encode(owned.text)))
        at = raw.find(_ID, at + len(_ID) if match is None else match.end())
    return found


def _texts_in(
    raw: bytes, ownership: Ownership, account: Callable[[int], bool]
) -> list[tuple[int, int, bytes]]:
    if raw.find(MARK_BYTES) < 0:
        return []
    found = []
    for match in _MARKED_TEXT.finditer(raw):
        owned = ownership.read(match[1].decode(errors="replace"), PURPOSE)
        if owned.owner and account(owned.owner):
            found.append((match.start(), match.end(), _encode(owned.text)))
    return found


def is_foreign(item: dict[str, Any]) -> bool:
    """Whether an item of a request, after `restored`, still holds reasoning that is marked or sealed."""
    content = item.get("encrypted_content")
    return isinstance(content, str) and (MARK_BYTES.decode() in content or content.startswith("gw1."))
