"""Writes a conversation as a request to Gemini's generateContent.

What stays the same from turn to turn comes first and `contents` next, so that the bytes of a later turn begin with
those of the turn before. The model is in the address, not in the body.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from providers.conversation.apis import SentOptions
from providers.conversation.gemini.contents import contents_of
from providers.conversation.gemini.generation import (
    declarations_of,
    generation_config_of,
    tool_config_of,
)
from providers.conversation.gemini.parameters import TIERS
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Conversation
from providers.target import Target

_NO_LABEL: Final = re.compile(r"[^a-z0-9_-]")
_VERSIONS_WITHOUT_IDS: Final = frozenset({"v1"})


def write(conversation: Conversation, target: Target, options: SentOptions) -> bytes:
    """Return the body. Raises Unsupported."""
    body: dict[str, Any] = {}
    system = [{"text": part.text} for part in conversation.system if part.text]
    if system:
        body["systemInstruction"] = {"parts": system}
    tools = declarations_of(conversation)
    if tools:
        body["tools"] = tools
    has_ids = target.api_version not in _VERSIONS_WITHOUT_IDS
    body["contents"] = contents_of(conversation, target, has_ids=has_ids)
    config = tool_config_of(conversation, target.facts)
    if config and tools:
        body["toolConfig"] = config
    generation = generation_config_of(conversation, target.facts, options.cap)
    if generation:
        body["generationConfig"] = generation
    body |= _configured(conversation, target)
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        raise Unsupported("messages", "takes no text with half of a surrogate pair") from None


def _configured(conversation: Conversation, target: Target) -> dict[str, Any]:
    """Return what only the deployment's configuration states: safety settings and labels."""
    found: dict[str, Any] = {}
    if safety := target.metadata.get("vertex_safety_settings"):
        found["safetySettings"] = msgspec.Raw(safety.encode())
    labels = _labels(target.metadata.get("vertex_labels", ""))
    name = target.metadata.get("vertex_user_label")
    if name and conversation.user:
        labels[name] = _NO_LABEL.sub("_", conversation.user.lower())[:63]
    return {**found, "labels": labels} if labels else found


def _labels(text: str) -> dict[str, str]:
    """Read "name=value,name=value"."""
    pairs = [each.partition("=") for each in text.split(",")]
    return {name.strip(): value.strip() for name, found, value in pairs if found and name.strip()}


def path(_target: Target, is_stream: bool) -> str:  # noqa: FBT001 - the type of UpstreamSide.path
    """Return the operation that the platform completes."""
    return "streamGenerateContent?alt=sse" if is_stream else "generateContent"


def call_headers(conversation: Conversation, target: Target) -> dict[str, str]:
    """Return the headers that choose a tier of service; none for the usual one."""
    kind = target.metadata.get("vertex_request_type", "")
    if conversation.service_tier in TIERS:
        tier = conversation.service_tier
        return {"x-vertex-ai-llm-request-type": "shared", "x-vertex-ai-llm-shared-request-type": tier}
    return {"x-vertex-ai-llm-request-type": kind} if kind else {}
