"""Deployments of Claude and conversations, for tests."""

from __future__ import annotations

import json
from typing import Any

from providers.conversation.apis import SentOptions
from providers.conversation.content import Part, Text
from providers.conversation.messages.request_writer import write
from providers.conversation.request import Conversation, Role, Turn
from providers.model_facts import ModelFacts
from providers.target import Secret, Target
from tests.support.vendors.anthropic import KEY
from tests.support.vendors.anthropic_rules import check

FACTS: dict[str, Any] = {
    "4.5": {"sampling": "exclusive", "thinking": "budget", "max_output_tokens": 64_000},
    "4.6": {
        "sampling": "exclusive", "thinking": "adaptive", "effort": ("low", "medium", "high", "max"), "prefill": False,
    },
    "5": {
        "sampling": "none", "thinking": "adaptive", "effort": ("low", "medium", "high", "xhigh", "max"),
        "prefill": False, "system_in_messages": True,
    },
    "between": {
        "sampling": "none", "thinking": "between_tools", "effort": ("low", "medium", "high", "max"), "prefill": False,
        "forced_tool_choice": False,
    },
    "always": {
        "sampling": "none", "thinking": "always", "effort": ("low", "medium", "high", "max"), "prefill": False,
        "forced_tool_choice": False,
    },
    "old": {"json_schema": "tool", "strict_tools": False},
}  # fmt: skip


def facts(model: str = "4.5", **more: Any) -> ModelFacts:
    return ModelFacts(vendor="anthropic", **{**FACTS[model], **more})


def deployment(model: str = "4.5", **more: Any) -> Target:
    known: dict[str, Any] = {
        "id": 7, "alias": "claude", "name": "claude-1", "provider": "anthropic", "upstream_model": "claude-up",
        "base_url": "https://api.anthropic.com", "secret": Secret(KEY), "api": "anthropic", "facts": facts(model),
    }  # fmt: skip
    return Target(**{**known, **more})


def turn(role: Role, *parts: Part | str) -> Turn:
    return Turn(role, tuple([Text(part) if isinstance(part, str) else part for part in parts]))


def conversation(*turns: Turn, **more: Any) -> Conversation:
    return Conversation(turns=turns or (turn("user", "hi"),), **more)


def written(
    given: Conversation, target: Target | None = None, cap: int | None = None, **headers: str
) -> dict[str, Any]:
    """Return the body, which the real API would accept."""
    target = target or deployment()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body: dict[str, Any] = json.loads(write(given, target, SentOptions(cap=cap, headers=names)))
    check(body, has_prefill=target.facts.prefill)
    return body
