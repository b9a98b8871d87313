"""Reads the content blocks of a Messages body into the parts of a conversation. Pure.

A type of block that has no part here is stated as unknown, so that an upstream API refuses it by its place.
"""

from __future__ import annotations

from typing import Final

import msgspec

from providers.conversation.content import (
    CacheMark,
    Document,
    Image,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.messages import signatures
from providers.conversation.messages.body import (
    Block,
    CacheControl,
    Source,
    blocks,
    citations,
    decoded,
    invalid,
    is_given,
    source,
)
from providers.conversation.parameters import UNKNOWN
from providers.conversation.request import Stated
from providers.isolation.ownership import Ownership

_OBJECT: Final = b"{"
_PLAIN: Final = "text/plain"


class Found:
    """What the blocks state beside their parts: each parameter once, by the place where it is first."""

    __slots__ = ("_stated", "owners", "ownership")

    def __init__(self, ownership: Ownership | None) -> None:
        self.ownership = ownership
        self.owners: set[int] = set()
        self._stated: dict[str, str] = {}

    def state(self, name: str, member: str) -> None:
        self._stated.setdefault(name, member)

    def stated(self) -> tuple[Stated, ...]:
        return tuple([Stated(name, member) for name, member in self._stated.items()])


def mark_of(given: CacheControl | None) -> CacheMark | None:
    """Return the end of a prefix to cache."""
    return None if given is None else CacheMark(given.ttl or "")


def text_of(block: Block, where: str) -> Text:
    """Return a block of text. Raises Unacceptable."""
    if block.type != "text" or block.text is None:
        raise invalid(where, "expected a block of type 'text' with its text")
    return Text(block.text, mark_of(block.cache_control))


def parts_of(content: str | list[Block], where: str, found: Found) -> tuple[Part, ...]:
    """Return the parts of one message. Raises Unacceptable."""
    if isinstance(content, str):
        return (Text(content),)
    parts: list[Part] = []
    for place, block in enumerate(content):
        parts += _parts(block, f"{where}[{place}]", found)
    return tuple(parts)


def _parts(block: Block, where: str, found: Found) -> list[Part]:
    kind = block.type
    if kind in {"text", "image", "document"}:
        return [*_material(block, where, found)]
    if kind == "tool_use":
        return [_call(block, where, found)]
    if kind == "tool_result":
        return [_result(block, where, found)]
    if kind in {"thinking", "redacted_thinking"}:
        thinking = _thinking(block, where, found)
        return [] if thinking is None else [thinking]
    found.state(UNKNOWN, f"{where}.{kind[:64]}")
    return []


def _material(block: Block, where: str, found: Found) -> list[Text | Image | Document]:
    """Return what a message and the result of a tool may both have."""
    if block.type == "text":
        return [text_of(block, where)]
    if not is_given(block.source):
        raise invalid(f"{where}.source", "it is missing")
    given = decoded(source, block.source, f"{where}.source")
    if given.type == "file" or given.file_id is not None:
        found.state("file_id", f"{where}.source.file_id")
        return []
    mark = mark_of(block.cache_control)
    if block.type == "image":
        return _image(given, mark, where, found)
    return _document(block, given, mark, where, found)


def _image(given: Source, mark: CacheMark | None, where: str, found: Found) -> list[Text | Image | Document]:
    if given.type == "base64" and given.data is not None:
        found.state("image", where)
        return [Image(data=given.data, media_type=given.media_type or "", cache=mark)]
    if given.type == "url" and given.url is not None:
        found.state("image_url", where)
        return [Image(url=given.url, cache=mark)]
    raise invalid(f"{where}.source", "expected base64 data, or a URL")


def _document(
    block: Block, given: Source, mark: CacheMark | None, where: str, found: Found
) -> list[Text | Image | Document]:
    if is_given(block.citations):
        wanted = decoded(citations, block.citations, f"{where}.citations")
        if wanted is not None and wanted.enabled:
            found.state(UNKNOWN, f"{where}.citations")
    parts: list[Text | Image | Document] = [Text(block.context)] if block.context else []
    name = block.title or ""
    if given.type == "content":
        return [*parts, *_nested(given, name, mark, where, found)]
    if given.type == "url" and given.url is not None:
        found.state("document_url", where)
        return [*parts, Document(url=given.url, name=name, cache=mark)]
    if given.data is None or given.type not in {"base64", "text"}:
        raise invalid(f"{where}.source", "expected base64 data, a text, content, or a URL")
    found.state("document", where)
    if given.type == "text":
        document = Document(text=given.data, media_type=given.media_type or _PLAIN, name=name, cache=mark)
    else:
        document = Document(data=given.data, media_type=given.media_type or "", name=name, cache=mark)
    return [*parts, document]


def _nested(
    given: Source, name: str, mark: CacheMark | None, where: str, found: Found
) -> list[Text | Image | Document]:
    """Return a document made of blocks: its texts as one document, then its images."""
    several = _several(given.content, f"{where}.source.content", found)
    texts = [each.text for each in several if isinstance(each, Text)]
    rest: list[Text | Image | Document] = [each for each in several if not isinstance(each, Text)]
    if not texts:
        return rest
    found.state("document", where)
    return [Document(text="\n".join(texts), media_type=_PLAIN, name=name, cache=mark), *rest]


def _several(content: msgspec.Raw, where: str, found: Found) -> list[Text | Image | Document]:
    given = decoded(blocks, content, where) if is_given(content) else None
    if given is None:
        return []
    if isinstance(given, str):
        return [Text(given)]
    parts: list[Text | Image | Document] = []
    for place, block in enumerate(given):
        inside = f"{where}[{place}]"
        if block.type in {"text", "image", "document"}:
            parts += _material(block, inside, found)
        else:
            found.state(UNKNOWN, f"{inside}.{block.type[:64]}")
    return parts


def _call(block: Block, where: str, found: Found) -> ToolCall:
    given = bytes(block.input)
    if block.id is None or block.name is None or given[:1] != _OBJECT:
        raise invalid(where, "expected 'id', 'name' and 'input', an object")
    found.state("tool_calls", where)
    return ToolCall(block.id, block.name, given.decode(), cache=mark_of(block.cache_control))


def _result(block: Block, where: str, found: Found) -> ToolResult:
    if block.tool_use_id is None:
        raise invalid(f"{where}.tool_use_id", "it is missing")
    found.state("tool_calls", where)
    return ToolResult(
        block.tool_use_id,
        tuple(_several(block.content, f"{where}.content", found)),
        is_error=bool(block.is_error),
        cache=mark_of(block.cache_control),
    )


def _thinking(block: Block, where: str, found: Found) -> Thinking | None:
    """Return a block of thinking; None for our own of another tenant, or one that changed."""
    if block.type == "redacted_thinking":
        if block.data is None:
            raise invalid(f"{where}.data", "it is missing")
        thinking: Thinking | None = signatures.read_data(block.data, found.ownership)
    elif block.thinking is None:
        raise invalid(f"{where}.thinking", "it is missing")
    else:
        thinking = signatures.read(block.thinking, block.signature or "", found.ownership)
    if thinking is not None and thinking.owner:
        found.owners.add(thinking.owner)
    return thinking
