"""Images, sound and documents as Gemini's parts: `inlineData`, or `fileData` with an address that Google fetches."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from providers.conversation.content import Audio, Document, Image
from providers.conversation.parameters import Unsupported

_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"})
_SOUNDS: Final = {
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "mpeg": "audio/mpeg",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "m4a": "audio/m4a",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
}
_SUFFIXES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".pdf": "application/pdf",
    ".txt": "text/plain",
}
_PDF: Final = "application/pdf"


def media_part(part: Image | Audio | Document) -> dict[str, Any]:
    """Return the part. Raises Unsupported."""
    if isinstance(part, Audio):
        kind = _SOUNDS.get(part.format.lower().removeprefix("audio/"))
        if kind is None:
            raise Unsupported("input_audio", f"takes no audio of the format '{part.format[:40]}'")
        return _inline(kind, part.data)
    if isinstance(part, Image):
        return _image(part)
    return _document(part)


def _image(part: Image) -> dict[str, Any]:
    kind = part.media_type.lower().replace("image/jpg", "image/jpeg")
    if part.url:
        return _file(part.url, kind, "image_url")
    if kind not in _IMAGES:
        raise Unsupported("messages", f"takes no image of the type '{part.media_type[:40]}'")
    return _inline(kind, part.data)


def _document(part: Document) -> dict[str, Any]:
    if part.url:
        return _file(part.url, part.media_type, "messages")
    if not part.data:
        return _inline("text/plain", base64.b64encode(part.text.encode("utf-8", "replace")).decode())
    kind = part.media_type.lower() or _PDF
    if kind != _PDF and not kind.startswith("text/"):
        raise Unsupported("messages", f"takes no document of the type '{part.media_type[:40]}'")
    return _inline(_PDF if kind == _PDF else "text/plain", part.data)


def _file(url: str, media_type: str, member: str) -> dict[str, Any]:
    """Return the address with its media type, which Google demands: the stated one, else by the file's ending."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Unsupported(member, "takes no such address") from None
    if parts.scheme not in {"http", "https", "gs"}:
        raise Unsupported(member, "takes addresses that begin with https:, http: or gs: only")
    kind = media_type or _SUFFIXES.get(PurePosixPath(parts.path).suffix.lower(), "")
    if not kind:
        raise Unsupported(
            member, "takes an address only if it ends in .png, .jpg, .jpeg, .webp, .heic, .heif, .pdf or .txt"
        )
    return {"fileData": {"mimeType": kind, "fileUri": url}}


def _inline(kind: str, data: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": data}}
