"""The events of the Messages API as they are decoded: few members, and only their types that matter. Pure.

Source: Anthropic's API reference, "Streaming Messages". What has other types than documented is read as far as it can
be; an unknown event is an event without a meaning.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.messages.usage import UsageJson
from providers.json_scan.repaired import mended
from providers.json_scan.shallow import shallow


class Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None


class Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    input: msgspec.Raw = msgspec.Raw()
    citations: Any = None


class Whole(msgspec.Struct):
    """A whole message, and the beginning of one in a stream."""

    type: str = ""
    id: str = ""
    model: str = ""
    role: str = ""
    content: list[Block] | None = None
    usage: UsageJson | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None
    error: Any = None


class StreamEvent(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Block | None = None
    message: Whole | None = None
    usage: UsageJson | None = None
    error: Any = None


NO_EVENT: Final = StreamEvent()
_event = msgspec.json.Decoder(StreamEvent).decode
_whole = msgspec.json.Decoder(Whole).decode
_any = msgspec.json.Decoder().decode


def read_event(data: bytes) -> StreamEvent:
    """Raises msgspec.DecodeError where it is not JSON."""
    try:
        return _event(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _loosely(data, StreamEvent)
        return NO_EVENT if found is None else found


def read_whole(data: bytes) -> Whole:
    """Raises msgspec.DecodeError where it is not JSON."""
    try:
        return _whole(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _loosely(data, Whole)
        return Whole() if found is None else found


def _loosely(data: bytes, kind: type[Any]) -> Any:
    """Return what can be read where JSON needs repair, or a member has another type than documented."""
    sane = shallow(mended(data) or data)
    try:
        document = _any(sane)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error
    raw = msgspec.json.encode(_without_nulls(document))
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except msgspec.ValidationError:
        return None


def _without_nulls(value: Any) -> Any:
    """Drop the members that are null: they are as if they were not there."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value
