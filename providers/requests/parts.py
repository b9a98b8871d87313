"""Finds the non-text parts of chat messages: images, audio, PDFs, references. One pass without backtracking."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from providers.media.audio import sound_in
from providers.media.images import Picture, is_picture, of_url
from providers.requests import chat
from providers.requests.account_objects import refuse_echoed, refuse_named, refuse_objects, refuse_things
from providers.requests.documents import MOST as MOST_DOCUMENTS
from providers.requests.documents import pdf_in
from providers.requests.money_classes import Money, Unacceptable
from providers.requests.spelling import Raws, strictly

_TEXT_MEMBERS: Final = frozenset(
    name for name, row in chat.MESSAGE.items() if row.money is not Money.REFERENCE
)
_USUAL_MEMBERS: Final = frozenset({"role", "content"})
_ECHOES: Final = _TEXT_MEMBERS - _USUAL_MEMBERS
# An image, audio or video in an echoed member: OpenRouter's annotations return the pages of a file.
_IN_ECHO: Final = re.compile(
    rb'"(image_url|input_audio|video_url|audio_url|input_video|image_embeds|input_image)":'
)
MOST_PICTURES: Final = 2_000  # no provider accepts as many, and each is measured for each deployment
MOST_UNKNOWN: Final = 256  # members of messages and parts; more references are not listed: one acts as many
_PLAIN_TEXT: Final = frozenset({"type", "text"})
_CONTENT: Final = frozenset({"url", "data"})  # of a medium: examined separately
_WEB: Final = ("http://", "https://")
_LIST: Final = ord("[")
_OBJECT: Final = ord("{")

_any = msgspec.json.Decoder()
_dump = msgspec.json.Encoder().encode


class Parts(msgspec.Struct):
    """The parts found. `media_bytes` of the body are measured media, and so are not text."""

    media_bytes: int = 0
    sounds: int = 0
    audio_ms: int = 0
    pictures: list[Picture] = []
    documents: list[str] = []  # the locations of PDFs: references, until they are measured
    document_bytes: int = 0  # of the body: not text, once they are measured
    references: list[str] = []
    unknown: list[str] = []
    has_image: bool = False
    has_sound: bool = False

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities a model must accept besides text."""
        return ("image",) * self.has_image + ("audio",) * self.has_sound


def parts_of(messages: Sequence[Raws]) -> Parts | None:
    """Return the parts found; None where all is plain text. Raises Unacceptable."""
    found: Parts | None = None
    for place, message in enumerate(messages):
        content = message.get("content")
        echoed = [] if message.keys() <= _USUAL_MEMBERS else _echoes(message, place)
        is_plain = content is None or memoryview(content)[0] not in (_LIST, _OBJECT)
        if is_plain and not echoed and message.keys() <= _TEXT_MEMBERS:
            continue
        found = found or Parts()
        for where in echoed:
            _name(found.references, where)
        _check_members(message, place, found)
        if not is_plain and content is not None:
            given = strictly(bytes(content))
            _read_all(given if isinstance(given, list) else [given], place, found)
        _check_bounds(place, found)
    return found


def _echoes(message: Raws, place: int) -> list[str]:
    """Return the echoed members that hold parts. What a client echoes of a response may name an object, whether or not
    a response ever did. Raises Unacceptable.
    """
    found = []
    for name in message:
        if name in _ECHOES and memoryview(message[name])[0] in (_LIST, _OBJECT):
            where = f"messages[{place}].{name}"
            refuse_echoed(name, bytes(message[name]), where)
            if name not in chat.CALLS and _IN_ECHO.search(_dump(_any.decode(message[name]))):
                found.append(where)
    return found


def _check_bounds(place: int, found: Parts) -> None:
    if len(found.pictures) > MOST_PICTURES:
        message = f"Your request has more than {MOST_PICTURES:,} pictures."
        raise Unacceptable(message, f"messages[{place}]", "too_many_pictures")
    if len(found.unknown) > MOST_UNKNOWN:
        message = f"Your request has more than {MOST_UNKNOWN:,} members that are not known."
        raise Unacceptable(message, f"messages[{place}]", "too_many_members")


def _check_members(message: Raws, place: int, found: Parts) -> None:
    for name in message.keys() - _TEXT_MEMBERS:
        if bytes(message[name]) == b"null":
            continue
        row = chat.MESSAGE.get(name)
        where = f"messages[{place}].{name}"
        if row is None:
            refuse_named(message, [name], f"messages[{place}].")
            _name(found.unknown, where)
        elif row.shares:
            raise Unacceptable(f"'{where}' names an object whose owner the gateway cannot know.", where)
        else:
            _name(found.references, where)


def _read_all(parts: list[Any], place: int, found: Parts) -> None:
    """Add the parts of a content. What is neither a string nor an object is unknown."""
    where = f"messages[{place}].content"
    for part in parts:
        if isinstance(part, dict):
            is_text = len(part) == len(_PLAIN_TEXT) and part.keys() == _PLAIN_TEXT
            if not (is_text and part["type"] == "text" and isinstance(part["text"], str)):
                _read_part(part, where, found)
        elif not isinstance(part, str) and found.unknown[-1:] != [where]:
            _name(found.unknown, where)


def _read_part(part: dict[str, Any], where: str, found: Parts) -> None:
    """Add one content part. It counts as all that it carries, whatever its `type`."""
    kind = part.get("type")
    is_known = isinstance(kind, str) and (kind in chat.PART_TYPES or kind in chat.PART)
    if kind is not None and not is_known:
        _name(found.unknown, f"{where}.{str(kind)[:64]}")
    for name, value in part.items():
        if value is not None:
            _read_member(name, value, where, found)


def _read_member(name: str, value: Any, where: str, found: Parts) -> None:
    row = chat.PART.get(name)
    found.has_image = found.has_image or name in chat.IMAGES
    found.has_sound = found.has_sound or name in chat.SOUNDS
    is_nested = isinstance(value, dict | list)
    is_parts = row is not None and row.money is Money.TEXT and is_nested
    if row is None or row.money is Money.REFERENCE or is_parts:  # nested parts, to some servers
        if name == "file" and _is_document(value, f"{where}.file", found):
            return
        refuse_objects({name: value}, f"{where}.{name[:64]}")
        _name(found.references if row is not None else found.unknown, f"{where}.{name[:64]}")
    elif row.money is Money.FREE:
        if is_nested:
            refuse_things(name, value, f"{where}.{name}")
    elif name == "image_url":
        _picture(value, where, found)
    elif name == "input_audio":
        _sound(value, where, found)


def _name(several: list[str], where: str) -> None:
    if len(several) <= MOST_UNKNOWN and several[-1:] != [where]:
        several.append(where)


def _check_beside(value: dict[str, Any], known: frozenset[str], where: str, found: Parts) -> None:
    """Members beside a medium may name another one, or make it larger."""
    for name, given in value.items():
        is_plain = name in known and (name in _CONTENT or not isinstance(given, dict | list))
        if not is_plain and given is not None:
            refuse_objects({name: given}, f"{where}.{name[:64]}")
            _name(found.unknown, f"{where}.{name[:64]}")


def _is_document(value: Any, where: str, found: Parts) -> bool:
    """Note a PDF that may be measured later, where the context window does not fit a budget."""
    data = pdf_in(value) if len(found.documents) < MOST_DOCUMENTS else None
    if data is None:
        return False
    found.documents.append(where)
    found.document_bytes += len(data)
    return True


def _picture(value: Any, where: str, found: Parts) -> None:
    where = f"{where}.image_url"
    if isinstance(value, dict):
        _check_beside(value, chat.BESIDE_PICTURE, where, found)
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str):
        _name(found.unknown, where)
        return
    kind = value.get("format") if isinstance(value, dict) else None
    picture, size = of_url(url)
    found.pictures.append(picture)
    found.media_bytes += size
    scheme = url[:8].lower()
    if isinstance(kind, str) and not is_picture(kind):
        _name(found.references, f"{where}.format")
    if not size and (scheme.startswith("data:") or (":" in url[:32] and not scheme.startswith(_WEB))):
        _name(found.references, where)  # a document, a video, or an object in a provider's store


def _sound(value: Any, where: str, found: Parts) -> None:
    """Audio that is not measured, and what may be an address, is a reference."""
    where = f"{where}.input_audio"
    if isinstance(value, dict):
        _check_beside(value, chat.BESIDE_SOUND, where, found)
    data = value.get("data") if isinstance(value, dict) else value
    if not isinstance(data, str):
        _name(found.unknown, where)
        return
    stated = [value["format"]] if isinstance(value, dict) and isinstance(value.get("format"), str) else []
    if data[:5].lower() == "data:":
        head, _, content = data.partition(",")
        stated.append(head[5:].partition(";")[0])
    else:
        content = data
    sound = sound_in(content, stated)
    if sound is not None:
        found.sounds += 1
        found.audio_ms += sound.most_ms
        found.media_bytes += len(data)
    if sound is None or not sound.is_bounded:
        _name(found.references, where)
