"""Chooses the dialect of each target: one for each pair of the client's API and the provider's API. Pure.

A call may fall back from one provider to another, so its body is made for each attempt. Where both speak the same API,
bytes pass; every other pair is translated by way of one conversation (providers/dialects/translated.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from providers.conversation.registry import CLIENTS, UPSTREAMS
from providers.conversation.request import Conversation
from providers.conversation.responses.side import COMPACTION
from providers.dialects.anthropic.passthrough import AnthropicToAnthropic
from providers.dialects.base import Dialect, Shape
from providers.dialects.embeddings import Embeddings
from providers.dialects.openai.completions import CompletionsToOpenAI
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.dialects.responses.passthrough import Compaction, ResponsesToResponses
from providers.dialects.translated import Conversations, Translated
from providers.embeddings.registry import FAMILIES, family_for
from providers.framing.sse import MAX_EVENT, GrantMemory
from providers.registry import PROVIDERS
from providers.target import Target

Factory = Callable[[Shape, GrantMemory | None, int], Dialect]

OPENAI: Final = "openai"  # the family; and the client's side of what passes through as it is
EMBEDDINGS: Final = "embeddings"
CHAT: Final = "chat"
MESSAGES: Final = "messages"
COMPLETIONS: Final = "completions"
RESPONSES: Final = frozenset({"responses", COMPACTION})
TRANSLATABLE: Final = RESPONSES | {CHAT, COMPLETIONS, MESSAGES}
NATIVE_RESPONSES: Final = frozenset({"openai", "azure"})  # providers whose every model has the Responses API

# Providers whose servers have /v1/completions; elsewhere, and with `metadata.completions: chat`, it becomes a chat.
NATIVE_COMPLETIONS: Final = frozenset({"openai", "azure", "openai-compatible"})

# (client's API, provider's API). A pair that is not here is translated.
FACTORIES: Final[dict[tuple[str, str], Factory]] = {
    (OPENAI, OPENAI): OpenAIToOpenAI,
    (CHAT, "openai_chat"): OpenAIToOpenAI,
    (COMPLETIONS, "openai_completions"): CompletionsToOpenAI,
    (MESSAGES, "anthropic_messages"): AnthropicToAnthropic,
    (EMBEDDINGS, OPENAI): OpenAIToOpenAI,
    **{(EMBEDDINGS, family): Embeddings for family in FAMILIES},
    ("responses", "openai_responses"): ResponsesToResponses,
    (COMPACTION, "openai_responses"): Compaction,
}


def upstream_api(client_api: str, target: Target, *, has_tools: bool) -> str:
    """Return the API in which a call of this client is sent to the target: a key of UPSTREAMS, or of FACTORIES."""
    family = target.api or PROVIDERS[target.provider].api
    if client_api == EMBEDDINGS:
        return family_for(target)
    if client_api not in TRANSLATABLE:
        return family
    if family == OPENAI:
        return _of_openai(client_api, target, has_tools=has_tools)
    if family == "bedrock":
        is_native = client_api == "messages" and target.facts.vendor == "anthropic"
        return "anthropic_messages" if is_native else "bedrock_converse"
    return {"anthropic": "anthropic_messages"}.get(family, family)


def _of_openai(client_api: str, target: Target, *, has_tools: bool) -> str:
    if client_api in RESPONSES and (
        target.provider in NATIVE_RESPONSES or target.metadata.get("responses") == "native"
    ):
        return "openai_responses"
    if client_api == COMPLETIONS and _has_completions(target):
        return "openai_completions"
    return "openai_responses" if has_tools and target.facts.tools_need_responses else "openai_chat"


def _has_completions(target: Target) -> bool:
    stated = target.metadata.get(COMPLETIONS)
    return target.provider in NATIVE_COMPLETIONS if stated is None else stated == "native"


def client_api_of(path: str) -> str:
    """Return the client API of an endpoint by its path below /v1."""
    if path == "chat/completions":
        return CHAT
    return path if path in TRANSLATABLE | {EMBEDDINGS} else OPENAI


class Dialects:
    """The dialects of one call. `grant_memory` and `max_event` bound the events of its streams (framing/sse.py).

    `conversation`: where routing has read it; `head`: of a large body, in its place (large_requests.py).
    """

    __slots__ = ("_arguments", "_client_api", "_conversations", "_made", "_shape")

    def __init__(
        self,
        shape: Shape,
        grant_memory: GrantMemory | None = None,
        max_event: int = MAX_EVENT,
        client_api: str = CHAT,
        conversation: Conversation | None = None,
        head: Conversation | None = None,
    ) -> None:
        self._shape, self._arguments, self._client_api = shape, (shape, grant_memory, max_event), client_api
        client = CLIENTS.get(client_api)
        self._conversations = None if client is None else Conversations(client, shape, conversation, head)
        self._made: dict[str, Dialect] = {}

    def for_target(self, target: Target) -> Dialect:
        """Return the dialect for this target; the same object for all targets of one API."""
        api = upstream_api(self._client_api, target, has_tools=self._shape.tools)
        dialect = self._made.get(api)
        if dialect is None:
            dialect = self._made[api] = self._make(api)
        return dialect

    def _make(self, api: str) -> Dialect:
        factory = FACTORIES.get((self._client_api, api))
        if factory is not None:
            return factory(*self._arguments)
        assert self._conversations is not None  # noqa: S101 - a client API without a conversation has its factories
        return Translated(CLIENTS[self._client_api], UPSTREAMS[api], self._conversations, *self._arguments)
