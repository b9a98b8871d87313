"""Finds what is not text in the blocks of a Messages body: images, documents, references. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.media.images import UNKNOWN as UNKNOWN_PICTURE
from providers.media.images import of_url
from providers.requests.account_objects import refuse_echoed, refuse_objects, refuse_things
from providers.requests.documents import MOST as MOST_DOCUMENTS
from providers.requests.documents import pdf_of_source
from providers.requests.messages import table
from providers.requests.money_classes import Unacceptable
from providers.requests.parts import MOST_PICTURES, MOST_UNKNOWN, Parts
from providers.requests.spelling import check_objects, is_exact, strictly
from providers.requests.token_expansion import written_out

_DEEPEST: Final = 4  # a document in the result of a tool, and one more
_WEB: Final = ("http://", "https://")
_LIST: Final = ord("[")
_NULL: Final = b"null"

Block = dict[str, msgspec.Raw]

_blocks = msgspec.json.Decoder(list[Block])
_members = msgspec.json.Decoder(Block)
_any = msgspec.json.Decoder()


class Found(Parts):
    """`blocks` is the number of all blocks; `growth` bounds what printed calls have beyond their bytes."""

    blocks: int = 0
    growth: int = 0


def read_content(content: msgspec.Raw, where: str, found: Found, depth: int = 0) -> None:
    """Add the blocks of one content. Raises Unacceptable, msgspec.DecodeError."""
    found.blocks += 1
    if memoryview(content)[0] != _LIST:
        return
    try:
        blocks = _blocks.decode(content)
    except msgspec.ValidationError:
        found.unknown.append(where)
        return
    if depth > _DEEPEST:
        _name(found.references, where)
        return
    check_objects(bytes(content), blocks)
    for place, block in enumerate(blocks):
        _read_block(block, f"{where}[{place}]", found, depth)
        if len(found.unknown) > MOST_UNKNOWN:
            message = f"Your request has more than {MOST_UNKNOWN:,} members that are not known."
            raise Unacceptable(message, where, "too_many_members")


def _read_block(block: Block, where: str, found: Found, depth: int) -> None:
    found.blocks += 1
    kind = _text(block, "type")
    if kind in table.CALLS:
        found.growth += _printed(bytes(block.get("input", b"{}")))
    elif kind.endswith(table.SERVER_RESULTS) and kind not in table.TEXT_BLOCKS:
        refuse_echoed("content", bytes(block.get("content", _NULL)), where)
        _name(found.references, where)
    elif kind not in table.TEXT_BLOCKS and kind not in {"image", "document"}:
        refuse_objects({name: strictly(bytes(value)) for name, value in block.items()}, where)
        _name(found.unknown, f"{where}.{kind[:64]}")
    for name, value in block.items():
        _read_member(name, value, kind, where, found, depth)


def _read_member(name: str, value: msgspec.Raw, kind: str, where: str, found: Found, depth: int) -> None:
    if len(memoryview(value)) == len(_NULL) and bytes(value) == _NULL:
        return
    if name == "source" and memoryview(value)[0] == ord("{"):
        _read_source(value, kind, f"{where}.source", found, depth)
    elif name == "content":
        read_content(value, f"{where}.content", found, depth + 1)
    elif name == "citations":
        refuse_echoed(name, bytes(value), f"{where}.citations")
    elif name not in table.BLOCK_TEXT and name != "source":
        refuse_things(name, strictly(bytes(value)), f"{where}.{name[:64]}")
        _name(found.unknown, f"{where}.{name[:64]}")


def _read_source(raw: msgspec.Raw, kind: str, where: str, found: Found, depth: int) -> None:
    """Add an image or a document; a source of any other block is unknown."""
    source = _members.decode(raw)
    if not is_exact(bytes(raw), source):
        strictly(bytes(raw))
    beside = {name: _any.decode(value) for name, value in source.items() if name not in {"data", "content"}}
    refuse_objects(beside, where)
    how = beside.get("type")
    if how == "content" and "content" in source:
        read_content(source["content"], f"{where}.content", found, depth + 1)
    elif kind == "image":
        _read_image(source, how, where, found)
    elif how == "base64" and kind == "document":
        _read_document(source, where, found)
    elif how != "text" or kind != "document":
        _name(found.references, where)
    for name in source.keys() - table.IMAGE_SOURCES - {"content", "file_id"}:
        _name(found.unknown, f"{where}.{name[:64]}")


def _read_image(source: Block, how: Any, where: str, found: Found) -> None:
    found.has_image = True
    if len(found.pictures) >= MOST_PICTURES:
        message = f"Your request has more than {MOST_PICTURES:,} pictures."
        raise Unacceptable(message, where, "too_many_pictures")
    url = _text(source, "url")
    if how == "url" and url[:8].lower().startswith(_WEB):
        found.pictures.append(UNKNOWN_PICTURE)
        return
    data = _text(source, "data")
    picture, size = of_url(f"data:{_text(source, 'media_type') or 'image/png'};base64,{data}")
    found.pictures.append(picture)
    found.media_bytes += size
    if not size:
        _name(found.references, where)  # what is no image that can be measured, or not in the request


def _read_document(source: Block, where: str, found: Found) -> None:
    """Note a PDF that may be measured later; anything else is a reference."""
    given = {name: _text(source, name) for name in ("media_type", "data")}
    data = pdf_of_source({"type": "base64", **given})
    if data is None or len(found.documents) >= MOST_DOCUMENTS:
        _name(found.references, where)
        return
    found.documents.append(where)
    found.document_bytes += len(data)


def _printed(given: bytes) -> int:
    """Return what the arguments of a call gain where they are printed as JSON, or as a text that holds JSON."""
    return written_out(given) + given.count(b'"') + given.count(b"\\")


def _text(block: Block, name: str) -> str:
    value = block.get(name)
    if value is None or memoryview(value)[0] != ord('"'):
        return ""
    text: str = _any.decode(value)
    return text


def _name(several: list[str], where: str) -> None:
    if len(several) <= MOST_UNKNOWN and several[-1:] != [where]:
        several.append(where)
