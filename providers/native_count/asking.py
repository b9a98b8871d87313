"""Asks providers for the count of a prompt, over the transport of the calls, with the same egress rules.

A failure is no evidence about a deployment: it is noted, and the next one is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.values.fallback_log import FALLBACKS
from providers.auth import scheme
from providers.conversation.parameters import Unsupported
from providers.conversation.request import Conversation
from providers.dialects.base import Shape
from providers.dialects.choice import FACTORIES, Dialects, upstream_api
from providers.errors.exceptions import UpstreamFailed
from providers.errors.redaction import redact
from providers.exchange import USER_AGENT
from providers.json_scan.outline import is_large
from providers.native_count.requests import TokenCount, count_for
from providers.registry import PROVIDERS
from providers.requests.money_classes import Unacceptable
from providers.target import Target, Timeouts
from providers.transport.client import Transport, UpstreamRequest

WAIT_S: Final = 10.0
MOST_TRIED: Final = 3
_OK: Final = 200
_MOST_READ: Final = 64 * 1024
_MOST_WORDS: Final = 200
_JSON: Final = "application/json"


class Prompt(msgspec.Struct, frozen=True):
    """A prompt to be counted: a request of a client, as it came. `conversation`: the same, where it was read before."""

    raw: bytes
    shape: Shape
    client_api: str
    conversation: Conversation | None = None

    def count_at(self, target: Target) -> TokenCount | None:
        """Return how the target counts it; None: it cannot, or reading the prompt for it takes too long."""
        api = upstream_api(self.client_api, target, has_tools=self.shape.tools)
        is_read = (self.client_api, api) in FACTORIES or self.conversation is not None
        return count_for(api, target) if is_read or not is_large(self.raw) else None


async def first_count(transport: Transport, prompt: Prompt, targets: Sequence[Target]) -> int | None:
    """Return what the first of the targets says that can count, and answers; None: none of them does."""
    for target in [each for each in targets if prompt.count_at(each) is not None][:MOST_TRIED]:
        tokens = await count_at(transport, prompt, target)
        if tokens is not None:
            return tokens
    return None


async def count_at(
    transport: Transport, prompt: Prompt, target: Target, wait_s: float = WAIT_S
) -> int | None:
    """Return the tokens of a prompt at a target, with its images and documents; None: it does not say."""
    try:
        async with asyncio.timeout(wait_s):
            return await _ask(transport, prompt, target, wait_s)
    except (UpstreamFailed, Unsupported, Unacceptable, msgspec.DecodeError, TimeoutError) as failure:
        why = redact(f"{type(failure).__name__}: {failure}", target.secrets())
    FALLBACKS.note("native_count", f"{target.name}: {why}"[:_MOST_WORDS])
    return None


async def _ask(transport: Transport, prompt: Prompt, target: Target, wait_s: float) -> int:
    """Raises UpstreamFailed, Unsupported, Unacceptable, DecodeError, TimeoutError."""
    how = prompt.count_at(target)
    if how is None:
        raise Unsupported("model", "cannot be counted by this provider")
    shape = msgspec.structs.replace(prompt.shape, stream=False)
    dialects = Dialects(shape, client_api=prompt.client_api, conversation=prompt.conversation)
    dialect = dialects.for_target(target)
    body = how.body(dialect.request(prompt.raw, target), target)
    own = {name: value for name, value in dialect.headers(target).items() if name != "accept"}
    headers = {"accept": _JSON, "content-type": _JSON, "user-agent": USER_AGENT, **own}
    provider = PROVIDERS[target.provider]
    request = UpstreamRequest("POST", provider.url(target, how.path), headers, body, target.is_guarded)
    await scheme.sign(provider.auth, request, target)
    limits = Timeouts(connect=min(3.0, wait_s), first_byte=wait_s, answer=wait_s, idle=wait_s, total=wait_s)
    response = await transport.send(request, limits)
    try:
        found = await response.read(_MOST_READ, truncate=True)
    finally:
        await response.aclose()
    if response.status != _OK:
        raise msgspec.DecodeError(f"status {response.status}")
    tokens = how.read(found)
    if tokens < 1:  # every prompt has some
        raise msgspec.DecodeError(f"{tokens} tokens")
    return tokens
