"""Images of the simulator: deterministic two-color PNG files of the size asked for. Pure; about a millisecond each."""

from __future__ import annotations

import base64
import struct
import time
import zlib
from typing import Any, Literal

import msgspec
import orjson

from providers.simulator.core.errors import SimulatorError, refusal_of
from providers.simulator.core.text import Seed, tokens_of

MAX_IMAGES = 10
MAX_SIDE = 4096
DEFAULT_SIZE = "1024x1024"
# Output tokens of a square picture, as OpenAI publishes them for its image models; other sizes in proportion.
_TOKENS = {"low": 272, "medium": 1056, "high": 4160}
_SQUARE = 1024 * 1024
_QUALITIES = {"auto": "medium", "standard": "medium", "hd": "high"}


class ImagesRequest(msgspec.Struct):
    prompt: str
    model: str = "simulator-image"
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    response_format: Literal["url", "b64_json"] | None = None


_request = msgspec.json.Decoder(ImagesRequest)


def generate(body: bytes) -> bytes:
    """Return the response's bytes. Raises Refused."""
    try:
        request = _request.decode(body)
    except msgspec.DecodeError as error:
        raise refusal_of(error) from error
    if not request.prompt:
        raise SimulatorError("Invalid 'prompt': empty.", param="prompt", code="invalid_value")
    count = 1 if request.n is None else request.n
    if not 1 <= count <= MAX_IMAGES:
        raise SimulatorError(f"Invalid 'n': expected 1 to {MAX_IMAGES}.", param="n", code="invalid_value")
    width, height = _size(request.size)
    quality = _QUALITIES.get(request.quality or "auto", request.quality or "")
    if quality not in _TOKENS:
        raise SimulatorError(
            f"Invalid 'quality': {request.quality!r}.", param="quality", code="invalid_value"
        )
    data = [_item(request, Seed(body, bytes([index])), width, height) for index in range(count)]
    usage = _usage(tokens_of(request.prompt), -(-_TOKENS[quality] * width * height // _SQUARE) * count)
    shown = {"size": f"{width}x{height}", "quality": quality, "output_format": "png", "usage": usage}
    return orjson.dumps({"created": int(time.time()), "data": data, **shown})


def png(seed: Seed, width: int, height: int) -> bytes:
    """Return stripes in two colors; one bit a pixel, so that even large pictures are small and quick."""
    colors = bytes(seed.below(256) for _ in range(6))
    band = 16 + seed.below(48)
    row = (1 << width) // 3 if seed.below(2) else (1 << width) - 1
    length = (width + 7) // 8
    filled = b"\0" + (row << (length * 8 - width)).to_bytes(length)
    lines = [filled if line // band % 2 else bytes(length + 1) for line in range(height)]
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)  # one bit, palette
    pixels = zlib.compress(b"".join(lines), 1)
    chunks = ((b"IHDR", header), (b"PLTE", colors), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _item(request: ImagesRequest, seed: Seed, width: int, height: int) -> dict[str, Any]:
    content = base64.b64encode(png(seed, width, height)).decode()
    # A data URL: it opens everywhere, and nothing has to be kept until a client fetches it.
    shown = (
        {"url": f"data:image/png;base64,{content}"}
        if request.response_format == "url"
        else {"b64_json": content}
    )
    return {**shown, "revised_prompt": request.prompt}


def _size(text: str | None) -> tuple[int, int]:
    wide, _, high = (DEFAULT_SIZE if text in {None, "auto"} else str(text)).partition("x")
    if not (wide.isdecimal() and high.isdecimal() and len(wide) + len(high) <= len("4096") * 2):
        raise SimulatorError(f"Invalid 'size': {text!r}.", param="size", code="invalid_value")
    width, height = int(wide), int(high)
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise SimulatorError(
            f"Invalid 'size': at most {MAX_SIDE} on a side.", param="size", code="invalid_value"
        )
    return width, height


def _usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"text_tokens": input_tokens, "image_tokens": 0},
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }
