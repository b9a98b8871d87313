"""Embeddings of Gemini: embedContent, batchEmbedContents, and predict of older models. Pure."""

from __future__ import annotations

from typing import Any

from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.text import tokens_of
from providers.simulator.core.vectors import text_vector

_DEFAULT = 3072
_MOST_INSTANCES = 250


def embed(operation: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the response and its prompt tokens. Raises SimulatorError."""
    try:
        if operation == "predict":
            return _predict(body)
        if operation == "batchEmbedContents":
            made = [_one(request) for request in body["requests"]]
            tokens = sum(count for _, count in made)
            vectors = [vector for vector, _ in made]
            return {"embeddings": vectors, "usageMetadata": {"promptTokenCount": tokens}}, tokens
        return _single(body)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SimulatorError(f"Invalid JSON payload received. {error}") from error


def _single(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    vector, tokens = _one(body)
    usage = {"promptTokenCount": tokens, "totalTokenCount": tokens}
    return {"embedding": vector, "usageMetadata": usage, "truncated": False}, tokens


def _one(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    text = " ".join(str(part["text"]) for part in body["content"]["parts"])
    if not text:
        raise SimulatorError("The text content is empty.")
    config = body.get("embedContentConfig") or body
    return {"values": text_vector(text, int(config.get("outputDimensionality") or _DEFAULT))}, tokens_of(text)


def _predict(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    instances = body["instances"]
    if not 1 <= len(instances) <= _MOST_INSTANCES:
        raise SimulatorError(f"1 to {_MOST_INSTANCES} instance(s) are allowed per prediction.")
    size = int((body.get("parameters") or {}).get("outputDimensionality") or 768)
    predictions, total = [], 0
    for instance in instances:
        text = str(instance["content"])
        tokens = tokens_of(text)
        total += tokens
        statistics = {"token_count": float(tokens), "truncated": False}
        predictions.append({"embeddings": {"values": text_vector(text, size), "statistics": statistics}})
    return {"predictions": predictions}, total
