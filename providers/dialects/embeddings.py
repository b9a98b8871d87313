"""Embeddings of OpenAI's API at a provider with another one: its vectors become OpenAI's (providers/embeddings)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from typing_extensions import override

from providers.conversation.parameters import Unsupported
from providers.dialects.base import Answered, Shape
from providers.dialects.several import Part, SeveralRequests
from providers.embeddings.registry import FAMILIES, family_for
from providers.embeddings.request import EmbeddingsRequest, read, refuse_unknown
from providers.embeddings.sides import EmbeddingsSide, batches_of
from providers.embeddings.vectors import document, encoded
from providers.framing.sse import GrantMemory
from providers.json_scan.limits import MalformedAnswer
from providers.target import Target
from providers.usage import Usage

MOST_TEXTS: Final = 2048  # of one request, as at OpenAI: each may become a request of its own


class Embeddings(SeveralRequests):
    """Made per call. Memory and events are of streams, which embeddings have not."""

    def __init__(self, shape: Shape, _grant_memory: GrantMemory | None = None, _max_event: int = 0) -> None:
        self._shape = shape
        self._read: EmbeddingsRequest | None = None
        self._side: EmbeddingsSide | None = None
        self._sizes: list[int] = []  # texts of each body for the current target

    @override
    def bodies(self, raw: bytes, target: Target) -> Sequence[bytes]:
        request = self._read = self._read or read(raw)
        side = self._side = FAMILIES[family_for(target)](target)
        if len(request.texts) > MOST_TEXTS:
            raise Unsupported("input", f"takes at most {MOST_TEXTS} texts in one request")
        refuse_unknown(request, side.known)
        batches = batches_of(side, request.texts, target)
        self._sizes = [len(batch) for batch in batches]
        return [side.write(request, batch, target) for batch in batches]

    @override
    def path(self, target: Target) -> str:
        assert self._side is not None  # noqa: S101 - the bodies were made
        assert self._read is not None  # noqa: S101
        is_one = len(self._read.texts) == 1 and self._side.path_of_one is not None
        path = self._side.path_of_one if is_one else self._side.path
        assert path is not None  # noqa: S101 - checked above
        return path(target)

    @override
    def part(self, at: int, raw: bytes, headers: Mapping[str, str]) -> Part:
        assert self._side is not None  # noqa: S101 - the bodies were made
        assert self._read is not None  # noqa: S101
        found = self._side.read(raw, headers)
        usage = None if found.tokens is None else Usage(input_tokens=found.tokens)
        if len(found.vectors) != self._sizes[at]:
            reason = f"{len(found.vectors)} vectors for {self._sizes[at]} texts"
            raise MalformedAnswer(reason, usage)
        try:
            return Part([encoded(vector, self._read.encoding) for vector in found.vectors], usage)
        except MalformedAnswer as fault:
            fault.usage = usage
            raise

    @override
    def joined(self, parts: Sequence[Part]) -> Answered:
        tokens = [part.usage.total_input_tokens for part in parts if part.usage is not None]
        usage = Usage(input_tokens=sum(tokens)) if len(tokens) == len(parts) else None
        vectors = [vector for part in parts for vector in part.content]
        return Answered(document(vectors, self._shape.alias, usage), usage)
