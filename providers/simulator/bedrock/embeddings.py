"""Embeddings of InvokeModel: Titan, Cohere and Nova. Pure."""

from __future__ import annotations

from typing import Any

from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.text import tokens_of
from providers.simulator.core.vectors import text_vector

_TITAN_SIZES = {256, 512, 1024}
_COHERE_MOST = 96


def embed(model: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the response and the input tokens. Raises SimulatorError."""
    try:
        if "titan-embed" in model:
            return _titan(model, body)
        if "cohere.embed" in model:
            return _cohere(body)
        return _nova(body)
    except (KeyError, TypeError, AttributeError) as error:
        raise SimulatorError(
            f"Malformed input request: {error}, please reformat your input and try again."
        ) from error


def is_embedding(model: str) -> bool:
    return any(name in model for name in ("titan-embed", "cohere.embed", "embeddings"))


def _known(body: dict[str, Any], *names: str) -> None:
    for name in body:
        if name not in names:
            raise SimulatorError(f"Malformed input request: extraneous key [{name}] is not permitted")


def _titan(model: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    has_sizes = "v2" in model
    _known(body, "inputText", *(("dimensions", "normalize", "embeddingTypes") if has_sizes else ()))
    text, size = str(body["inputText"]), int(body.get("dimensions", 1024 if has_sizes else 1536))
    if not text or (has_sizes and size not in _TITAN_SIZES):
        raise SimulatorError("Malformed input request: inputText or dimensions is not valid")
    tokens = tokens_of(text)
    return {"embedding": text_vector(text, size), "inputTextTokenCount": tokens}, tokens


def _cohere(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    _known(body, "texts", "input_type", "truncate", "embedding_types", "output_dimension")
    texts = [str(text) for text in body["texts"]]
    if "input_type" not in body or not 1 <= len(texts) <= _COHERE_MOST:
        raise SimulatorError(
            f"Malformed input request: input_type and 1 to {_COHERE_MOST} texts are required"
        )
    vectors = [text_vector(text, int(body.get("output_dimension", 1024))) for text in texts]
    named: Any = {"float": vectors} if body.get("embedding_types") else vectors
    return {"id": "sim", "texts": texts, "embeddings": named}, sum(map(tokens_of, texts))


def _nova(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    _known(body, "taskType", "singleEmbeddingParams", "schemaVersion")
    given = body["singleEmbeddingParams"]
    text = str(given["text"]["value"])
    vector = text_vector(text, int(given.get("embeddingDimension", 3072)))
    return {"embeddings": [{"embeddingType": "TEXT", "embedding": vector}]}, tokens_of(text)
