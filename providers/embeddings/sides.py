"""What an upstream API of embeddings must provide: a value made of pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from providers.embeddings.request import EmbeddingsRequest
from providers.embeddings.vectors import Vectors
from providers.target import Target


class EmbeddingsSide(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream API of embeddings.

    `batch`: the most texts of one request, where the model's facts do not say; longer inputs become several requests.
    `known`: members beyond OpenAI's that it takes. `write` raises Unsupported; `read` gets the response and its
    headers (lower case), and raises MalformedAnswer. `path` is what the target's address is completed with;
    `path_of_one` for a call with one text, where that differs. `most_bytes`: of the texts of one request.
    """

    name: str
    batch: int
    write: Callable[[EmbeddingsRequest, Sequence[str], Target], bytes]
    read: Callable[[bytes, Mapping[str, str]], Vectors]
    path: Callable[[Target], str]
    path_of_one: Callable[[Target], str] | None = None
    most_bytes: int | None = None
    known: frozenset[str] = frozenset()


def batch_of(side: EmbeddingsSide, target: Target) -> int:
    """Return the most texts of one request to this target."""
    return max(1, target.facts.max_batch or side.batch)


def batches_of(side: EmbeddingsSide, texts: Sequence[str], target: Target) -> list[Sequence[str]]:
    """Return the texts of each request."""
    most, most_bytes = batch_of(side, target), side.most_bytes
    if most_bytes is None:
        return [texts[at : at + most] for at in range(0, len(texts), most)]
    batches: list[Sequence[str]] = []
    current: list[str] = []
    size = 0
    for text in texts:
        more = len(text.encode("utf-8", "replace"))
        if current and (len(current) >= most or size + more > most_bytes):
            batches.append(current)
            current, size = [], 0
        current.append(text)
        size += more
    return [*batches, current] if current else batches
