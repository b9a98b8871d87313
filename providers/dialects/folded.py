"""Folds the events of a stream into one response, where the client asked for one and the provider streamed. Pure.

Source: the OpenAI API reference, "Streaming": strings are concatenated, lists are extended, tool calls are
distinguished by their `index`, and for every other member the last value counts. Values are not decoded: two strings
are joined in their encoded form, so split surrogate pairs become whole, and numbers stay unchanged.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.dialects.lenient.loose import index_of
from providers.json_scan.lenient import read_any
from providers.json_scan.limits import MalformedAnswer
from providers.json_scan.spans import elements_of, members_of, name_of

_FIRST: Final = frozenset({"id", "object", "created", "model"})  # taken from the first event that has it
_DROPPED: Final = frozenset({"obfuscation"})  # padding of events
_SINGLE: Final = frozenset({"id", "role", "type", "status", "format", "finish_reason", "service_tier"})
_NULL: Final = b"null"
_EMPTY: Final = b'""'
_BEGIN: Final = b"data: "
_DEEPEST: Final = 8  # levels that are joined, each scanned once more; deeper the last value is kept


class Folded(msgspec.Struct, frozen=True, array_like=True):
    """The result of folding in another process; `malformed` is why it failed."""

    malformed: str = ""
    document: bytes = b""


def fold_events(events: bytes) -> Folded:
    """Fold events of any size."""
    try:
        return Folded("", fold(events))
    except MalformedAnswer as fault:
        return Folded(str(fault))


def fold(events: bytes) -> bytes:
    """Return the response as JSON. The events are those for a client: one data line each. Raises MalformedAnswer."""
    whole = _Whole()
    for event in events.split(b"\n\n"):
        if event:
            whole.add(event.removeprefix(_BEGIN))
    return whole.document()


class _Whole:
    def __init__(self) -> None:
        self._top: dict[str, bytes] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def add(self, event: bytes) -> None:
        for name, value in members_of(event).items():
            if name == "choices":
                for choice in elements_of(value) if value[:1] == b"[" else ():
                    self._add_choice(choice)
            elif value != _NULL and name not in _DROPPED and not (name in _FIRST and name in self._top):
                self._top[name] = value

    def _add_choice(self, raw: bytes) -> None:
        given = members_of(raw) if raw[:1] == b"{" else {"text": raw}
        index = index_of(read_any(given.pop("index", _NULL)))
        known = self._choices.setdefault(index, {})
        for name, value in given.items():
            if name in {"delta", "message"}:
                merged = value if value[:1] == b"{" else b'{"content":%b}' % value
                known["message"] = _joined("message", known.get("message"), merged)
            else:
                known[name] = _joined(name, known.get(name), value)

    def document(self) -> bytes:
        top = self._top
        is_text = top.get("object") == b'"text_completion"'
        top["object"] = b'"text_completion"' if is_text else b'"chat.completion"'
        choices = [_choice(index, known) for index, known in sorted(self._choices.items())]
        top["choices"] = b"[" + b",".join(choices) + b"]"
        return _written({name: top[name] for name in sorted(top, key=lambda name: name == "usage")})


def _choice(index: int, known: dict[str, Any]) -> bytes:
    if "text" not in known or "message" in known:
        message = known.pop("message", {})
        known = {"message": {"role": b'"assistant"', "content": _NULL, **message}, **known}
    return _written({"index": b"%d" % max(index, 0), "finish_reason": _NULL, **known})


class _Text:
    """A string that grows; its parts are the encoded content between the quotes."""

    __slots__ = ("parts",)

    def __init__(self, raw: bytes) -> None:
        self.parts = [raw[1:-1]]

    @property
    def raw(self) -> bytes:
        return b'"' + b"".join(self.parts) + b'"'


class _Calls:
    """Tool calls, in the order in which they began."""

    __slots__ = ("_by_id", "_by_index", "begun")

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self._by_id: dict[tuple[int | None, bytes], dict[str, Any]] = {}
        self._by_index: dict[int | None, dict[str, Any]] = {}  # the latest one

    def add(self, raw: bytes, depth: int) -> None:
        given = members_of(raw) if raw[:1] == b"{" else {"function": raw}
        at = given.pop("index", _NULL)
        index = None if at == _NULL else index_of(read_any(at))
        known = self._which(index, given.get("id", _NULL))
        for name, value in given.items():
            known[name] = _joined(name, known.get(name), value, depth)

    def _which(self, index: int | None, named: bytes) -> dict[str, Any]:
        """Return the call to extend. Some servers give each call the same index, and an id of its own."""
        latest = self._by_index.get(index) if index is not None or not self.begun else self.begun[-1]
        if named in {_NULL, _EMPTY}:
            found = latest
        else:
            is_unnamed = (
                latest is not None and index is not None and latest.get("id", _NULL) in {_NULL, _EMPTY}
            )
            found = latest if is_unnamed else self._by_id.get((index, named))
        if found is None:
            found = {}
            self.begun.append(found)
            self._by_index[index] = found
        if named not in {_NULL, _EMPTY}:
            self._by_id[index, named] = found
        return found


def _joined(name: str, known: Any, raw: bytes, depth: int = 0) -> Any:
    """Return the value of a member joined with its value in one more event."""
    if raw == _NULL or (raw == _EMPTY and known is not None):
        return raw if known is None else known
    first = raw[:1] if depth <= _DEEPEST else b""
    if first == b'"' and name not in _SINGLE:
        return _with_text(name, known, raw)
    if first == b"{":
        parts = known if isinstance(known, dict) else {}
        for inner, value in members_of(raw).items():
            parts[inner] = _joined(inner, parts.get(inner), value, depth + 1)
        return parts
    if first == b"[" and name == "tool_calls":
        calls = known if isinstance(known, _Calls) else _Calls()
        for call in elements_of(raw):
            calls.add(call, depth + 1)
        return calls
    if first == b"[":
        begun = known if isinstance(known, list) else _parts(known) if isinstance(known, _Text) else []
        begun += elements_of(raw)
        return begun
    return raw


def _with_text(name: str, known: Any, raw: bytes) -> Any:
    if isinstance(known, list):  # of parts
        known += _parts(_Text(raw))
        return known
    if not isinstance(known, _Text):
        return _Text(raw)
    if name != "name" or known.raw != raw:  # some servers repeat the name of a function
        known.parts.append(raw[1:-1])
    return known


def _parts(text: _Text) -> list[bytes]:
    """Return a string as a list of content parts."""
    return [] if text.raw == _EMPTY else [b'{"type":"text","text":%b}' % text.raw]


def _written(value: Any) -> bytes:
    if isinstance(value, _Text):
        return value.raw
    if isinstance(value, _Calls):
        value = value.begun
    if isinstance(value, dict):
        written = [name_of(name) + b":" + _written(each) for name, each in value.items()]
        return b"{" + b",".join(written) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join([_written(each) for each in value]) + b"]"
    return bytes(value)
