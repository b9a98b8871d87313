"""Reads a request for embeddings as OpenAI's API has it, for providers with other APIs. Pure.

Source: the OpenAI API reference, "Create embeddings". What an API does not have is refused by name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal

import msgspec

from providers.conversation.parameters import Unsupported

Encoding = Literal["float", "base64"]
_FLOAT: Final[Encoding] = "float"
# Without effect on the vectors: the model is the deployment's; the others are for OpenAI's own records.
IGNORED: Final = frozenset(
    {"model", "user", "safety_identifier", "metadata", "store", "request_id", "cache_salt"}
)
_READ: Final = frozenset({"input", "encoding_format", "dimensions"})


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`extra`: the other members with a value, of which each API takes some (Cohere's `input_type`, for example)."""

    texts: tuple[str, ...]
    dimensions: int | None = None
    encoding: Encoding = _FLOAT
    extra: dict[str, Any] = {}


def read(raw: bytes) -> EmbeddingsRequest:
    """Raises Unsupported."""
    members: dict[str, Any] = msgspec.json.decode(raw)
    dimensions, encoding = members.get("dimensions"), members.get("encoding_format")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise Unsupported("dimensions", "takes a positive whole number as 'dimensions'")
    if encoding not in {None, "float", "base64"}:
        raise Unsupported("encoding_format", "gives vectors as 'float' or 'base64'")
    return EmbeddingsRequest(
        texts=_texts(members["input"]),
        dimensions=dimensions,
        encoding=encoding or _FLOAT,
        extra={
            name: value
            for name, value in members.items()
            if value is not None and name not in IGNORED and name not in _READ
        },
    )


def _texts(given: Any) -> tuple[str, ...]:
    several = [given] if isinstance(given, str) else given
    if not all(isinstance(text, str) for text in several):
        raise Unsupported("input", "takes texts as 'input', no token ids")
    return tuple(several)


def refuse_unknown(request: EmbeddingsRequest, known: Collection[str]) -> None:
    """Raise Unsupported for a member that the API does not have: without it the vectors would be others."""
    for name in request.extra:
        if name not in known:
            raise Unsupported(name, f"takes no '{name}' with embeddings")


def dimensions_for(request: EmbeddingsRequest, choices: Collection[int]) -> int | None:
    """Return the number of dimensions to ask for; None: the model's own. `choices`: those it has; empty: unknown.

    Raises Unsupported.
    """
    wanted = request.dimensions
    if wanted is None or not choices:
        return wanted
    if wanted not in choices:
        listed = ", ".join(str(each) for each in sorted(choices))
        raise Unsupported("dimensions", f"has vectors of {listed} dimensions")
    return wanted if len(choices) > 1 else None
