"""Embeddings on Vertex AI: Gemini's by embedContent, the older models by predict. Pure.

Sources: the reference of publishers.models.embedContent and .batchEmbedContents, "Text embeddings API". Which of them a
model has is a fact of it (`embeddings_api`): "predict", "embed_content" (one text in a request), else Gemini's.
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
from providers.platforms.vertex import is_gemini_api
from providers.target import Target

MOST_CONTENTS: Final = 100
MOST_INSTANCES: Final = 250
MOST_BYTES: Final = 40_000  # of the texts of one `predict`, which takes 20,000 tokens
_KNOWN: Final = frozenset({"task_type", "title", "auto_truncate"})
_encode = msgspec.json.Encoder().encode


class _Usage(msgspec.Struct, frozen=True):
    promptTokenCount: int | None = None  # noqa: N815 - Google's


class _Values(msgspec.Struct):
    values: msgspec.Raw


class _Contents(msgspec.Struct):
    embedding: _Values | None = None
    embeddings: list[_Values] | None = None
    usageMetadata: _Usage = _Usage()  # noqa: N815


class _Statistics(msgspec.Struct, frozen=True):
    token_count: float | None = None


class _Embedding(msgspec.Struct):
    values: msgspec.Raw
    statistics: _Statistics = _Statistics()


class _Prediction(msgspec.Struct):
    embeddings: _Embedding


class _Predictions(msgspec.Struct):
    predictions: list[_Prediction]


_contents = msgspec.json.Decoder(_Contents)
_predictions = msgspec.json.Decoder(_Predictions)


def side_for(target: Target) -> EmbeddingsSide:
    """Return the format of the target's model."""
    api = target.metadata.get("embeddings_api") or target.facts.embeddings_api
    return {"predict": PREDICT, "embed_content": EMBED_ONE}.get(api, EMBED)


def _config(request: EmbeddingsRequest, target: Target) -> dict[str, Any]:
    """Return the settings of one text. What is too long is refused, as OpenAI does, unless `auto_truncate` is stated.

    Raises Unsupported.
    """
    asked = request.extra
    truncates = asked.get("auto_truncate", False)
    if not isinstance(truncates, bool):
        raise Unsupported("auto_truncate", "takes true or false as 'auto_truncate'")
    found: dict[str, Any] = {}
    task = asked.get("task_type") or target.metadata.get("task_type")
    if task:
        found["taskType"] = task
    if "title" in asked:
        found["title"] = asked["title"]
    dimensions = dimensions_for(request, target.facts.embedding_dimensions)
    if dimensions is not None:
        found["outputDimensionality"] = dimensions
    return {**found, "autoTruncate": truncates}


def _write_contents(request: EmbeddingsRequest, texts: Sequence[str], target: Target) -> bytes:
    config = _config(request, target)
    if is_gemini_api(target):  # it has these members beside the content, and the model in each
        model = f"models/{target.upstream_model.removeprefix('models/')}"
        del config["autoTruncate"]
        more: dict[str, Any] = {"model": model, **config}
    else:
        more = {"embedContentConfig": config}
    requests = [{"content": {"parts": [{"text": text}]}, **more} for text in texts]
    return _encode(requests[0] if len(request.texts) == 1 else {"requests": requests})


def _write_one(request: EmbeddingsRequest, texts: Sequence[str], target: Target) -> bytes:
    content = {"content": {"parts": [{"text": texts[0]}]}}
    return _encode({**content, "embedContentConfig": _config(request, target)})


def _read_contents(raw: bytes, _headers: Mapping[str, str]) -> Vectors:
    found = _decoded(_contents, raw)
    several = found.embeddings if found.embeddings is not None else [found.embedding]
    vectors = [each.values for each in several if each is not None]
    return Vectors(vectors, found.usageMetadata.promptTokenCount)


def _write_predict(request: EmbeddingsRequest, texts: Sequence[str], target: Target) -> bytes:
    config = _config(request, target)
    own = {"taskType": "task_type", "title": "title"}
    each = {name: config.pop(old) for old, name in own.items() if old in config}
    return _encode({"instances": [{"content": text, **each} for text in texts], "parameters": config})


def _read_predict(raw: bytes, _headers: Mapping[str, str]) -> Vectors:
    found = [each.embeddings for each in _decoded(_predictions, raw).predictions]
    counts = [each.statistics.token_count for each in found]
    is_known = all(count is not None for count in counts)
    tokens = round(sum(count or 0 for count in counts)) if is_known else None
    return Vectors([each.values for each in found], tokens)


def _decoded(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer(f"no vectors in the answer: {error}") from error


EMBED: Final = EmbeddingsSide(
    name="embedContent",
    batch=MOST_CONTENTS,
    write=_write_contents,
    read=_read_contents,
    path=lambda _: "batchEmbedContents",
    path_of_one=lambda _: "embedContent",
    known=_KNOWN,
)
EMBED_ONE: Final = EmbeddingsSide(
    name="embedContent of one",
    batch=1,
    write=_write_one,
    read=_read_contents,
    path=lambda _: "embedContent",
    known=_KNOWN,
)
PREDICT: Final = EmbeddingsSide(
    name="predict",
    batch=MOST_INSTANCES,
    most_bytes=MOST_BYTES,
    write=_write_predict,
    read=_read_predict,
    path=lambda _: "predict",
    known=_KNOWN,
)
