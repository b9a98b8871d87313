"""Embeddings of the simulator: deterministic unit vectors in which texts that share words lie close. Pure."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
import sys
from array import array
from typing import Any, Literal

import msgspec
import orjson

from providers.simulator.errors import SimulatorError, refusal_of
from providers.simulator.text import tokens_of, words_of

DEFAULT_DIMENSIONS = 256
MAX_DIMENSIONS = 4096
MAX_INPUTS = 2048
_OWN_SHARE = 0.02  # the share of a vector that depends on the whole text, beside its words


class EmbeddingsRequest(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = None


_request = msgspec.json.Decoder(EmbeddingsRequest)


def embed(body: bytes) -> bytes:
    """Return the response's bytes. Raises Refused."""
    try:
        request = _request.decode(body)
    except msgspec.DecodeError as error:
        raise refusal_of(error) from error
    dimensions = DEFAULT_DIMENSIONS if request.dimensions is None else request.dimensions
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise SimulatorError(
            f"Invalid 'dimensions': expected 1 to {MAX_DIMENSIONS}.", param="dimensions", code="invalid_value"
        )
    data, tokens = [], 0
    for index, item in enumerate(_inputs(request.input)):
        features = words_of(item) or [item] if isinstance(item, str) else [str(token) for token in item]
        tokens += tokens_of(item) if isinstance(item, str) else len(item)
        vector = _vector(features, dimensions)
        data.append(
            {"object": "embedding", "index": index, "embedding": _encoded(vector, request.encoding_format)}
        )
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": request.model, "usage": usage})


def _inputs(given: str | list[Any]) -> list[str | list[int]]:
    """Return the texts or token lists, in any of the four allowed shapes."""
    items: list[Any] = [given] if isinstance(given, str) else given
    if items and all(isinstance(item, int) for item in items):
        items = [items]
    if not items or any(isinstance(item, int) or not item for item in items):
        raise SimulatorError(
            "Invalid 'input': expected non-empty strings or token arrays.",
            param="input",
            code="invalid_value",
        )
    if len(items) > MAX_INPUTS:
        raise SimulatorError(
            f"Invalid 'input': at most {MAX_INPUTS} items.", param="input", code="array_above_max_length"
        )
    return items


def _vector(features: list[str], dimensions: int) -> array[float]:
    """Hash every feature to a few signed places, add a little of the whole text, and scale to length one."""
    own = hashlib.shake_128("\0".join(features).encode("utf-8", "surrogatepass")).digest(dimensions)
    share = _OWN_SHARE * len(features) / 128
    raw = [(byte - 127.5) * share for byte in own]
    for feature in features:
        digest = hashlib.blake2b(feature.lower().encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for place in struct.unpack("<8H", digest):
            raw[(place >> 1) % dimensions] += 1.0 if place & 1 else -1.0
    length = math.sqrt(sum(value * value for value in raw))
    return array("f", [value / length for value in raw])


def _encoded(vector: array[float], encoding: str | None) -> list[float] | str:
    if encoding != "base64":
        return vector.tolist()
    if sys.byteorder == "big":  # the API's base64 is little-endian everywhere
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()
