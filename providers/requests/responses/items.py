"""Finds in the `input` of Responses what is not text: media, references, objects, and what one account has."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from providers.media.audio import sound_in
from providers.media.images import Picture, of_url
from providers.requests.money_classes import Unacceptable
from providers.requests.parts import MOST_PICTURES, MOST_UNKNOWN
from providers.requests.responses import members
from providers.requests.spelling import Raws, check_objects, strictly

_WEB: Final = ("http://", "https://")
MOST_STATE: Final = 20_000  # names of state; no request has as many items
_LONG: Final = 2_048  # bytes of a string
_items = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class StateName(NamedTuple):
    """A name, in a request, of something that one account of a provider has. `member`: where it is.

    `is_required`: the request means nothing without it.
    """

    member: str
    id: str
    is_required: bool


class Items(msgspec.Struct):
    """What was found. `media_bytes` of the body are measured media, and so are not text."""

    count: int = 0
    media_bytes: int = 0
    sounds: int = 0
    audio_ms: int = 0
    pictures: list[Picture] = []
    references: list[str] = []
    unknown: list[str] = []
    tools: list[bytes] = []  # of items that add some
    calls: list[bytes] = []  # calls of tools in the history, which templates print
    state: list[StateName] = []
    against_cap: list[str] = []

    def add(self, raw: Raws, place: int) -> None:
        """Raises Unacceptable."""
        self.count += 1
        where = f"input[{place}]"
        item = {name: _value(bytes(value)) for name, value in raw.items()}
        kind = item.get("type") or ("message" if "role" in item else "")
        kind = kind if isinstance(kind, str) else str(kind)
        if kind in members.COMPACTING_ITEMS:
            self.against_cap.append(f"{where}.{kind}")
        elif kind not in members.TEXT_ITEMS:
            listed = self.references if kind in members.REFERENCES else self.unknown
            _name(listed, f"{where}.{kind[:64]}")
        if kind in members.CALL_ITEMS:
            self.calls += [bytes(raw[name]) for name in ("arguments", "input") if name in raw]
        if kind == "additional_tools":
            self.tools.append(bytes(raw.get("tools", b"null")))
        self._note_state(item, kind, where)
        for name, value in item.items():
            if name in {"content", "output", "summary"}:
                self._add_parts(value, f"{where}.{name}")
            elif name in members.OBJECTS and value:
                raise _object(f"{where}.{name}")
        if len(self.pictures) > MOST_PICTURES:
            raise Unacceptable(
                f"Your request has more than {MOST_PICTURES:,} pictures.", where, "too_many_pictures"
            )

    def _note_state(self, item: dict[str, Any], kind: str, where: str) -> None:
        named = item.get("id")
        is_needed = kind not in members.WHOLE_ITEMS
        if kind == "reasoning":
            is_needed = not item.get("encrypted_content")
        if isinstance(named, str) and named and (is_needed or "_gw1" in named):
            self.state.append(StateName(where, named, is_needed))
            if is_needed:
                _name(self.references, where)  # the provider reads what it has kept by this id
        container = item.get("container_id")
        if isinstance(container, str) and container:
            self.state.append(StateName(f"{where}.container_id", container, True))
        if len(self.state) > MOST_STATE:
            raise Unacceptable("Your request names too many items.", where, "too_many_members")

    def _add_parts(self, content: Any, where: str) -> None:
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, dict):
                self._add_part(part, where)
            elif part is not None and not isinstance(part, str):
                _name(self.unknown, where)

    def _add_part(self, part: dict[str, Any], where: str) -> None:
        kind = part.get("type")
        where = f"{where}.{str(kind)[:64]}"
        for name in members.OBJECTS & part.keys():
            if part[name]:
                raise _object(f"{where}.{name}")
        if kind in members.TEXT_PARTS:
            return
        if kind in {"input_image", "computer_screenshot"}:
            self._picture(part.get("image_url"), where)
        elif kind == "input_audio":
            self._sound(part.get("input_audio"), where)
        else:
            listed = self.references if kind in {"input_file", "computer_screenshot"} else self.unknown
            _name(listed, where)

    def _picture(self, url: Any, where: str) -> None:
        if not isinstance(url, str):
            _name(self.unknown, where)
            return
        picture, size = of_url(url)
        self.pictures.append(picture)
        self.media_bytes += size
        if not size and not url[:8].lower().startswith(_WEB):
            _name(self.references, where)

    def _sound(self, value: Any, where: str) -> None:
        data = value.get("data") if isinstance(value, dict) else None
        if not isinstance(data, str):
            _name(self.unknown, where)
            return
        kind = value.get("format")
        sound = sound_in(data, [kind] if isinstance(kind, str) else [])
        if sound is not None:
            self.sounds += 1
            self.audio_ms += sound.most_ms
            self.media_bytes += len(data)
        if sound is None or not sound.is_bounded:
            _name(self.references, where)

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that a model must accept besides text."""
        return ("image",) * bool(self.pictures) + ("audio",) * bool(self.sounds)


def items_in(given: bytes) -> Items:
    """Return what is in `input`: a string, or a list of items. Raises Unacceptable."""
    found = Items()
    if given[:1] == b"[":
        try:
            items = _items.decode(given)
        except msgspec.ValidationError:
            _name(found.unknown, "input")
            return found
        check_objects(given, items)
        for place, item in enumerate(items):
            found.add(item, place)
    elif given[:1] != b'"' and given != b"null":
        _name(found.unknown, "input")
    found.count = found.count or 1
    return found


def _value(raw: bytes) -> Any:
    """Return a member of an item; a long string, which is not looked at, as another one."""
    if raw[:1] in {b"[", b"{"}:
        return strictly(raw)
    return "..." if len(raw) > _LONG else msgspec.json.decode(raw)


def _name(several: list[str], where: str) -> None:
    if len(several) <= MOST_UNKNOWN and several[-1:] != [where]:
        several.append(where)


def _object(where: str) -> Unacceptable:
    return Unacceptable(f"'{where}' names an object whose owner the gateway cannot know.", where)
