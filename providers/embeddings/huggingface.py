"""Embeddings on Hugging Face's own servers: the task feature extraction. Pure.

Source: the reference of Inference Providers, "Feature Extraction". No usage is reported: the gateway counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from providers.embeddings.request import EmbeddingsRequest, dimensions_for
from providers.embeddings.sides import EmbeddingsSide
from providers.embeddings.vectors import Vectors
from providers.json_scan.limits import MalformedAnswer
from providers.platforms.huggingface import FEATURES
from providers.target import Target

MOST_INPUTS: Final = 32  # of text-embeddings-inference, where it is not configured
_KNOWN: Final = frozenset({"normalize", "truncate", "truncation_direction", "prompt_name"})
_vectors = msgspec.json.Decoder(list[msgspec.Raw])


def side_for(_target: Target) -> EmbeddingsSide:
    return FEATURE_EXTRACTION


def _write(request: EmbeddingsRequest, texts: Sequence[str], target: Target) -> bytes:
    body: dict[str, Any] = {"inputs": texts}
    dimensions = dimensions_for(request, target.facts.embedding_dimensions)
    if dimensions is not None:
        body["dimensions"] = dimensions
    return msgspec.json.encode({**body, **request.extra})


def _read(raw: bytes, _headers: Mapping[str, str]) -> Vectors:
    try:
        vectors = _vectors.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"no vectors in the answer: {error}") from error
    if any(bytes(vector)[1:].lstrip().startswith(b"[") for vector in vectors):
        raise MalformedAnswer("a vector for each token: this model is not made for embeddings of texts")
    return Vectors(vectors)


FEATURE_EXTRACTION: Final = EmbeddingsSide(
    name="feature extraction",
    batch=MOST_INPUTS,
    write=_write,
    read=_read,
    path=lambda _: FEATURES,
    known=_KNOWN,
)
