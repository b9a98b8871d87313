"""The size of an image inside a request, from its own first bytes, and an upper bound of its tokens.

The formulas are upper bounds: OpenAI's and Anthropic's published ones, and for unknown models the densest of the open
families (28 pixels per token with at most 16,384, Pixtral's 16 pixels up to 1,024, LLaVA-NeXT's 2,880).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

_STRICT: Final = re.compile(r"[A-Za-z0-9+/]*+={0,2}")
_JPEG_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_KINDS: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_FORMATS: Final = frozenset(
    (
        "",
        "application/octet-stream",
        *["png", "jpeg", "jpg", "webp", "gif", "bmp", "tiff", "heic", "heif", "avif"],
    )
)
_HEIF: Final = frozenset({b"heic", b"heix", b"mif1", b"avif"})
# Fill bytes, markers without a length, and the image data: decoders differ in how they continue from there.
_JPEG_UNSURE: Final = frozenset({0x00, 0x01, *range(0xD0, 0xDB), 0xFF})
_MOST_SEGMENTS: Final = 200  # and chunks
_SMALL, _MOST_SMALL = 16, 8  # bytes of a segment that is rare in photos, and how many of these are skipped
_WINDOW: Final = 256  # bytes decoded at a time
_PNG_HEAD: Final = 33  # bytes of the signature and of IHDR
_CHUNK: Final = 12  # bytes of a chunk's length, name and checksum

GENERIC_MOST: Final = 16_384 + 64
GENERIC_LEAST: Final = 2_880  # models that cut every image into the same number of tiles
TILES_MOST: Final = 8
INFLATED: Final = "4o-mini"
_TILED: Final = re.compile(
    r"(^|/)(gpt-4o|gpt-4\.1|gpt-4-turbo|gpt-4\.5|chatgpt-4o|o1|o3)(?!-?\w*(mini|nano))"
)
_OPENAI: Final = re.compile(r"(^|/)(gpt-|o\d|chatgpt)")
_PATCH_MOST: Final = 10_000  # patches of 32 pixels at the detail `original`
_PATCH_FACTOR: Final = (246, 100)  # the highest published multiplier


class Picture(NamedTuple):
    """Pixels; zeros where the image does not state them, or is not in the request."""

    width: int = 0
    height: int = 0


UNKNOWN: Final = Picture()


def of_url(url: str) -> tuple[Picture, int]:
    """Return the image of a URL, and how many of the URL's characters are image data rather than text.

    Only what surely is an image inside the request is not text: bytes that no decoder accepts as an image stay text.
    """
    if url[:5].lower() != "data:":
        return UNKNOWN, 0
    head, comma, data = url.partition(",")
    head = head.lower()
    if not comma or not head.endswith(";base64") or not is_picture(head[len("data:") :].partition(";")[0]):
        return UNKNOWN, 0
    try:
        first = _bytes_at(data, 0, 32)
    except (binascii.Error, ValueError):
        return UNKNOWN, 0
    if not _is_picture(first):
        return UNKNOWN, 0
    try:
        return _measured(first, data), len(data)
    except (binascii.Error, ValueError, IndexError):
        return UNKNOWN, len(data)


def is_picture(stated: str) -> bool:
    """Whether a media type or format is an image's, or empty. For the type of audio, a video or a document, a server
    may search for such content anywhere in the bytes.
    """
    kind = stated.strip().lower()
    return kind.startswith("image/") or kind in _FORMATS


def most_tokens(picture: Picture, models: Sequence[str]) -> int:
    """Return the upper bound of an image's tokens at any of these models, by their upstream names."""
    if not models:
        return max(_inflated(picture), _generic(picture))
    return max([formula_of(model)(picture) for model in models])


@lru_cache(maxsize=4_096)
def formula_of(model: str) -> Callable[[Picture], int]:
    """Return a model's token formula: the same function for all models of a family."""
    model = model.lower()
    if INFLATED in model:
        return _inflated
    if _TILED.search(model):
        return _tiled
    return _patched if _OPENAI.search(model) else _generic


def name_at(provider: str, model: str) -> str:
    """Return the name to bound images by: at OpenAI or Azure a custom name may stand for the most expensive model."""
    if provider in {"openai", "azure"} and not _OPENAI.search(model.lower()):
        return f"unknown-{INFLATED}"
    return model


def is_known(model: str) -> bool:
    """Whether there is a published formula for the model's family."""
    return INFLATED in model.lower() or _OPENAI.search(model.lower()) is not None


def _tiled(picture: Picture) -> int:
    return 85 + 170 * _tiles(picture)


def _patched(picture: Picture) -> int:
    return max(_patches(picture), _tiled(picture))


def _inflated(picture: Picture) -> int:
    return 2_833 + 5_667 * _tiles(picture)


def _tiles(picture: Picture) -> int:
    """OpenAI's tiles of 512 pixels: fitted into 2048 x 2048, then the shorter side is scaled to 768."""
    shorter, longer = sorted((picture.width, picture.height))
    if not shorter:
        return TILES_MOST
    return 2 * min(4, -(-min(2048, -(-768 * longer // shorter)) // 512))


def _patches(picture: Picture) -> int:
    most = _grid(picture, 32) if picture.width else _PATCH_MOST
    return -(-min(most, _PATCH_MOST) * _PATCH_FACTOR[0] // _PATCH_FACTOR[1])


def _generic(picture: Picture) -> int:
    if not picture.width:
        return GENERIC_MOST
    fine = _grid(picture, 16) if max(picture) <= 1024 else _grid(Picture(1024, 1024), 16)  # noqa: PLR2004 - Pixtral's
    return max(GENERIC_LEAST, fine, min(GENERIC_MOST, _grid(picture, 28) + 64))


def _grid(picture: Picture, pixels: int) -> int:
    """Tokens of a grid with a break token after each row."""
    return (-(-picture.width // pixels) + 1) * -(-picture.height // pixels) + 2


def _is_picture(first: bytes) -> bool:
    is_webp = first[:4] == b"RIFF" and first[8:12] == b"WEBP"
    is_heif = first[4:8] == b"ftyp" and first[8:12] in _HEIF  # other brands are videos
    return is_webp or is_heif or first.startswith(_KINDS)


def _measured(first: bytes, data: str) -> Picture:
    if first.startswith(b"\x89PNG") and first[12:16] == b"IHDR":
        found = Picture(int.from_bytes(first[16:20]), int.from_bytes(first[20:24]))
        return found if _has_one_head(data) else UNKNOWN
    if first.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if first[8:12] == b"WEBP":
        return _webp(first)
    return UNKNOWN


def _webp(first: bytes) -> Picture:
    kind = first[12:16]
    if kind == b"VP8X":
        return Picture(1 + int.from_bytes(first[24:27], "little"), 1 + int.from_bytes(first[27:30], "little"))
    if kind == b"VP8L" and first[20] == 0x2F:  # noqa: PLR2004 - VP8L's signature
        bits = int.from_bytes(first[21:25], "little")
        return Picture(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and first[23:26] == b"\x9d\x01\x2a":
        size = int.from_bytes(first[26:30], "little")
        return Picture(size & 0x3FFF, size >> 16 & 0x3FFF)
    return UNKNOWN


def _has_one_head(data: str) -> bool:
    """Whether a PNG has one IHDR before its pixels: of two, some decoders take the second (Pillow)."""
    if _bytes_at(data, _PNG_HEAD, 8)[4:] == b"IDAT":
        return True  # as in most small images
    at, pieces = _PNG_HEAD, _Pieces(data)
    for _ in range(_MOST_SEGMENTS):
        chunk = pieces.at(at, 8)
        if chunk[4:] == b"IDAT":
            return _STRICT.fullmatch(data, 0, (at + 8) // 3 * 4) is not None
        if chunk[4:] == b"IHDR" or len(chunk) < 8:  # noqa: PLR2004 - length and name
            return False
        at += _CHUNK + int.from_bytes(chunk[:4])
    return False


def _jpeg(data: str) -> Picture:
    """Walk the segments up to the frame with the size; what is skipped must be strict base64."""
    at, pieces, small = 2, _Pieces(data), 0
    for _ in range(_MOST_SEGMENTS):
        head = pieces.at(at, 9)
        if head[0] != 0xFF or head[1] in _JPEG_UNSURE:  # noqa: PLR2004 - a marker begins so
            return UNKNOWN
        if head[1] in _JPEG_FRAMES:
            is_plain = _STRICT.fullmatch(data, 0, (at + 9) // 3 * 4)
            found = Picture(int.from_bytes(head[7:9]), int.from_bytes(head[5:7]))
            return found if is_plain and all(found) else UNKNOWN
        length = int.from_bytes(head[2:4])
        small += length < _SMALL
        if small > _MOST_SMALL:
            return UNKNOWN
        at += 2 + length
    return UNKNOWN


def _bytes_at(data: str, start: int, count: int) -> bytes:
    """Return some of the bytes of base64 text, without decoding all of it."""
    begin, end = start // 3 * 4, -(-(start + count) // 3) * 4
    piece = data[begin:end]
    skip = start - start // 3 * 3
    return binascii.a2b_base64(piece, strict_mode=True)[skip : skip + count]


class _Pieces:
    """The bytes of base64 text, decoded piece by piece: one piece holds many small segments."""

    __slots__ = ("_data", "_piece", "_start")

    def __init__(self, data: str) -> None:
        self._data, self._piece, self._start = data, b"", 0

    def at(self, start: int, count: int) -> bytes:
        """Return some bytes; fewer at the end. Raises binascii.Error."""
        if start < self._start or start + count > self._start + len(self._piece):
            self._piece, self._start = _bytes_at(self._data, start, _WINDOW), start
        return self._piece[start - self._start : start - self._start + count]
