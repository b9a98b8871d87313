"""A deployment for each upstream API, and the dialect of one call from a client API there."""

from __future__ import annotations

from typing import Any, Final

from providers.conversation.registry import CLIENTS, UPSTREAMS
from providers.dialects.base import Dialect, Shape
from providers.dialects.choice import Dialects, upstream_api
from providers.dialects.translated import Conversations, Translated
from providers.isolation.tenant_salt import Salt
from providers.model_facts import ModelFacts
from providers.target import Secret, Target

PATHS: Final = {"chat": "chat/completions", "messages": "messages", "responses": "responses"}
SALT: Final = Salt(b"a tenant's" * 4)
_LEVELS: Final = ("low", "medium", "high")


def _target(provider: str, **more: Any) -> Target:
    known = {"id": 7, "alias": "alias", "name": "alias-1", "upstream_model": "up", "secret": Secret("k")}
    return Target(**{**known, "provider": provider, "base_url": "https://x.example/v1", **more})


TARGETS: Final[dict[str, Target]] = {
    "openai_chat": _target("openai-compatible", facts=ModelFacts(vendor="deepseek", effort=_LEVELS)),
    "openai_responses": _target(
        "openai", facts=ModelFacts(vendor="openai", tools_need_responses=True, effort=_LEVELS)
    ),
    "anthropic_messages": _target(
        "anthropic",
        api="anthropic",
        facts=ModelFacts(vendor="anthropic", thinking="budget", max_output_tokens=64_000),
    ),
    "bedrock_converse": _target(
        "bedrock",
        api="bedrock",
        region="us-east-1",
        facts=ModelFacts(vendor="amazon", max_output_tokens=8_000, effort=_LEVELS),
    ),
    "gemini": _target(
        "vertex", api="gemini", facts=ModelFacts(vendor="google", thinking="level", effort=_LEVELS)
    ),
}


def shape(client_api: str, *, stream: bool = False, cap: int | None = None) -> Shape:
    return Shape(
        alias="alias",
        path=PATHS[client_api],
        stream=stream,
        tools=True,
        salt=SALT,
        response_id="req_1",
        output_cap=cap,
        content_key={"chat": "choices", "messages": "content", "responses": "output"}[client_api],
    )


def dialect(client_api: str, api: str, *, stream: bool = False, cap: int | None = None) -> Dialect:
    """Return what routing chooses for this pair: a translation, or what passes bytes."""
    target = TARGETS[api]
    assert upstream_api(client_api, target, has_tools=True) == api
    made = shape(client_api, stream=stream, cap=cap)
    return Dialects(made, client_api=client_api).for_target(target)


def translation(client_api: str, api: str, *, stream: bool = False) -> Translated:
    """Return the translation of this pair, also where bytes would pass."""
    client, made = CLIENTS[client_api], shape(client_api, stream=stream)
    return Translated(client, UPSTREAMS[api], Conversations(client, made), made)
