"""The APIs of embeddings other than OpenAI's, by the family of a target's API (providers/registry.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from providers.embeddings import bedrock, huggingface, vertex
from providers.embeddings.sides import EmbeddingsSide
from providers.registry import PROVIDERS, family_of
from providers.target import Target

FAMILIES: Final[dict[str, Callable[[Target], EmbeddingsSide]]] = {
    "bedrock": bedrock.side_for,
    "gemini": vertex.side_for,
    "huggingface": huggingface.side_for,
}


def family_for(target: Target) -> str:
    """Return the family of a target's embeddings: its own where the row says so, else the one of its chat."""
    own = PROVIDERS[target.provider].embeddings_api
    return own if own and target.metadata.get("embeddings") != "openai" else target.api or family_of(target)
