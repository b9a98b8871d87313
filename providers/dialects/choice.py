"""Chooses the dialect of each target: one for each pair of the client's API and the provider's API. Pure.

A call may fall back from one provider to another, so its body is made for each attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from providers.dialects.base import Dialect, Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.dialects.sse import MAX_EVENT, GrantMemory
from providers.registry import PROVIDERS
from providers.target import Target

Factory = Callable[[Shape, GrantMemory | None, int], Dialect]

OPENAI: Final = "openai"
FACTORIES: Final[dict[tuple[str, str], Factory]] = {
    (OPENAI, OPENAI): OpenAIToOpenAI
}  # (client's, provider's)


class Dialects:
    """The dialects of one call. `grant_memory` and `max_event` bound the events of its streams (dialects/sse.py)."""

    __slots__ = ("_arguments", "_client_api", "_made")

    def __init__(
        self,
        shape: Shape,
        grant_memory: GrantMemory | None = None,
        max_event: int = MAX_EVENT,
        client_api: str = OPENAI,
    ) -> None:
        self._arguments, self._client_api = (shape, grant_memory, max_event), client_api
        self._made: dict[str, Dialect] = {}

    def for_target(self, target: Target) -> Dialect:
        """Return the dialect for this target; the same object for all targets of one API."""
        api = PROVIDERS[target.provider].api
        dialect = self._made.get(api)
        if dialect is None:
            dialect = self._made[api] = FACTORIES[self._client_api, api](*self._arguments)
        return dialect
