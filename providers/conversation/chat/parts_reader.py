"""Content parts of a chat message become parts of a conversation."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from providers.conversation.chat.body import CacheControl, File, ImageUrl, Message, Part
from providers.conversation.chat.faults import wrong
from providers.conversation.content import Audio, CacheMark, Document, Image, Refusal, Text
from providers.conversation.stated import Statements

_PDF: Final = "application/pdf"
_PDF_BEGINS: Final = "JVBERi0"  # %PDF- in base64
_BY_ENDING: Final = {".pdf": _PDF, ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv"}
_EXPECTED: Final = "expected a part with text, image_url, input_audio or file"
Content = Text | Refusal | Image | Audio | Document


def mark_of(part: Part | Message, stated: Statements, where: str) -> CacheMark | None:
    """Return the end of a cached prefix that is marked here."""
    control, name = part.prompt_cache_breakpoint, "prompt_cache_breakpoint"
    if control is None:
        control, name = part.cache_control, "cache_control"
    return None if control is None else mark(control, stated, f"{where}.{name}")


def mark(control: CacheControl, stated: Statements, where: str) -> CacheMark:
    stated.add("cache_marks", where)
    return CacheMark(control.ttl or "")


def part_of(part: Part, stated: Statements, where: str) -> Content | None:
    """Return what a content part carries; None where it is in an account of a provider. Raises Unacceptable."""
    cache = None
    if part.cache_control is not None or part.prompt_cache_breakpoint is not None:
        cache = mark_of(part, stated, where)
    if part.text is not None:
        return Text(part.text, cache)
    if part.image_url is not None:
        return _image(part.image_url, cache, stated, f"{where}.image_url")
    if part.input_audio is not None:
        stated.add("audio", f"{where}.input_audio")
        _, data = _of_data_url(part.input_audio.data, f"{where}.input_audio.data")
        return Audio(data, part.input_audio.format)
    if part.file is not None:
        return _document(part.file, cache, stated, f"{where}.file")
    if part.refusal is not None:
        return Refusal(part.refusal)
    raise wrong(where, _EXPECTED)


def _image(given: ImageUrl | str, cache: CacheMark | None, stated: Statements, where: str) -> Image:
    url = given if isinstance(given, str) else given.url
    stated.add("image", where)
    if not url.startswith("data:"):
        stated.add("image_url", where)
        return Image(url=url, cache=cache)
    media_type, data = _of_data_url(url, where)
    return Image(data, media_type.lower(), cache=cache)


def _document(given: File, cache: CacheMark | None, stated: Statements, where: str) -> Document | None:
    name = given.filename or ""
    if given.file_id is not None:
        stated.add("file_id", f"{where}.file_id")
        return None
    if given.file_data is None:
        raise wrong(where, "expected file_data")
    stated.add("document", where)
    media_type, data = _of_data_url(given.file_data, f"{where}.file_data")
    if not media_type:
        is_pdf = data.startswith(_PDF_BEGINS)
        media_type = _PDF if is_pdf else _BY_ENDING.get(name[name.rfind(".") :].lower(), "")
    if not media_type:
        raise wrong(f"{where}.file_data", "expected a data: URL with the file's media type")
    text = _plain_text(data, f"{where}.file_data") if media_type.startswith("text/") else None
    if text is not None:
        return Document(media_type=media_type, text=text, name=name, cache=cache)
    return Document(data, media_type, name=name, cache=cache)


def _plain_text(data: str, where: str) -> str | None:
    """Return the text of a file; None where it is not in UTF-8."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except binascii.Error as error:
        raise wrong(where, "expected base64") from error
    except UnicodeDecodeError:
        return None


def _of_data_url(given: str, where: str) -> tuple[str, str]:
    """Return the media type of a data: URL, and its base64; what is no URL is base64."""
    if not given.startswith("data:"):
        return "", given
    head, comma, data = given.partition(",")
    if not comma or not head.endswith(";base64"):
        raise wrong(where, "expected a data: URL in base64")
    return head[5:].partition(";")[0], data
