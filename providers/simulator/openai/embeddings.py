"""Embeddings of the simulator: deterministic unit vectors in which texts that share words lie close. Pure."""

from __future__ import annotations

import base64
import sys
from array import array
from typing import Any, Literal

import msgspec
import orjson

from providers.simulator.core.errors import SimulatorError, refusal_of
from providers.simulator.core.text import tokens_of, words_of
from providers.simulator.core.vectors import unit_vector

DEFAULT_DIMENSIONS = 256
MAX_DIMENSIONS = 4096
MAX_INPUTS = 2048


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
        vector = unit_vector(features, dimensions)
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


def _encoded(vector: array[float], encoding: str | None) -> list[float] | str:
    if encoding != "base64":
        return vector.tolist()
    if sys.byteorder == "big":  # the API's base64 is little-endian everywhere
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()
