"""Embeddings on Amazon Bedrock (InvokeModel): Titan, Nova and Cohere. Pure.

Sources: Amazon Bedrock user guide, "Amazon Titan Embeddings", "Amazon Nova Multimodal Embeddings", "Cohere Embed".
Which format a model has is a fact of it: its vendor, and `embeddings_api` for Nova among Amazon's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from providers.conversation.parameters import Unsupported
from providers.embeddings.request import EmbeddingsRequest, dimensions_for
from providers.embeddings.sides import EmbeddingsSide
from providers.embeddings.vectors import Vectors
from providers.json_scan.limits import MalformedAnswer
from providers.target import Target

TOKENS: Final = "x-amzn-bedrock-input-token-count"
_DIGITS: Final = 9
_encode = msgspec.json.Encoder().encode


class _Titan(msgspec.Struct):
    embedding: msgspec.Raw
    inputTextTokenCount: int | None = None  # noqa: N815 - Amazon's


class _NovaVector(msgspec.Struct):
    embedding: msgspec.Raw


class _Nova(msgspec.Struct):
    embeddings: list[_NovaVector]


class _ByType(msgspec.Struct):
    float: list[msgspec.Raw]


class _Cohere(msgspec.Struct):
    embeddings: list[msgspec.Raw] | _ByType


_titan = msgspec.json.Decoder(_Titan)
_nova = msgspec.json.Decoder(_Nova)
_cohere = msgspec.json.Decoder(_Cohere)


def side_for(target: Target) -> EmbeddingsSide:
    """Return the format of the target's model."""
    if target.facts.vendor == "cohere":
        return COHERE
    return NOVA if target.facts.embeddings_api == "nova" else TITAN


def _path(_target: Target) -> str:
    return "invoke"


def _write_titan(request: EmbeddingsRequest, texts: Sequence[str], target: Target) -> bytes:
    body: dict[str, Any] = {"inputText": texts[0]}
    dimensions = dimensions_for(request, target.facts.embedding_dimensions)
    if dimensions is not None:
        body["dimensions"] = dimensions
    if "normalize" in request.extra:
        body["normalize"] = request.extra["normalize"]
    return _encode(body)


def _read_titan(raw: bytes, headers: Mapping[str, str]) -> Vectors:
    found = _decoded(_titan, raw)
    tokens = found.inputTextTokenCount
    return Vectors([found.embedding], tokens if tokens is not None else _counted(headers))


def _write_nova(request: EmbeddingsRequest, texts: Sequence[str], target: Target) -> bytes:
    """`truncationMode` NONE: what is too long is refused, as OpenAI does."""
    asked = request.extra
    parameters: dict[str, Any] = {
        "embeddingPurpose": asked.get("input_type")
        or target.metadata.get("embedding_purpose")
        or "GENERIC_INDEX"
    }
    dimensions = dimensions_for(request, target.facts.embedding_dimensions)
    if dimensions is not None:
        parameters["embeddingDimension"] = dimensions
    parameters["text"] = {"truncationMode": asked.get("truncate") or "NONE", "value": texts[0]}
    return _encode({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": parameters})


def _read_nova(raw: bytes, headers: Mapping[str, str]) -> Vectors:
    found = _decoded(_nova, raw)
    return Vectors([each.embedding for each in found.embeddings], _counted(headers))


def _write_cohere(request: EmbeddingsRequest, texts: Sequence[str], target: Target) -> bytes:
    asked = request.extra
    body: dict[str, Any] = {
        "texts": texts,
        "input_type": asked.get("input_type") or target.metadata.get("input_type") or "search_document",
        "embedding_types": ["float"],
    }
    if asked.get("embedding_types", ["float"]) != ["float"]:
        raise Unsupported("embedding_types", "gives vectors of 'float' numbers")
    if "truncate" in asked:
        body["truncate"] = asked["truncate"]
    dimensions = dimensions_for(request, target.facts.embedding_dimensions)
    if dimensions is not None:
        body["output_dimension"] = dimensions
    return _encode(body)


def _read_cohere(raw: bytes, headers: Mapping[str, str]) -> Vectors:
    found = _decoded(_cohere, raw).embeddings
    return Vectors(found.float if isinstance(found, _ByType) else found, _counted(headers))


def _decoded(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"no vectors in the answer: {error}") from error


def _counted(headers: Mapping[str, str]) -> int | None:
    """Return Bedrock's own count of the input; None: there is none."""
    count = headers.get(TOKENS, "")
    return int(count) if count.isascii() and count.isdigit() and len(count) <= _DIGITS else None


TITAN: Final = EmbeddingsSide(
    name="titan", batch=1, write=_write_titan, read=_read_titan, path=_path, known=frozenset({"normalize"})
)
NOVA: Final = EmbeddingsSide(
    name="nova",
    batch=1,
    write=_write_nova,
    read=_read_nova,
    path=_path,
    known=frozenset({"input_type", "truncate"}),
)
COHERE: Final = EmbeddingsSide(
    name="cohere",
    batch=96,
    write=_write_cohere,
    read=_read_cohere,
    path=_path,
    known=frozenset({"input_type", "truncate", "embedding_types"}),
)
