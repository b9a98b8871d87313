"""Counts the tokens of a Messages prompt at a provider with Anthropic's API, which costs nothing there.

Over the transport of the calls, with the same egress rules. A failure is no evidence about the deployment: None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.values.fallback_log import FALLBACKS
from providers.auth import scheme
from providers.conversation.parameters import Unsupported
from providers.dialects.base import Shape
from providers.dialects.choice import FACTORIES, MESSAGES, Dialects, upstream_api
from providers.errors.exceptions import UpstreamFailed
from providers.errors.redaction import redact
from providers.exchange import USER_AGENT
from providers.registry import PROVIDERS
from providers.target import Target, Timeouts
from providers.transport.client import Transport, UpstreamRequest

WAIT_S: Final = 10.0
MOST_TRIED: Final = 3
_LIMITS: Final = Timeouts(connect=3.0, first_byte=WAIT_S, answer=WAIT_S, idle=WAIT_S, total=WAIT_S)
_PATH: Final = "messages/count_tokens"
_CLOUDS: Final = frozenset({"bedrock", "vertex"})  # have other paths for Claude
_OK: Final = 200
_MOST_READ: Final = 64 * 1024
_MOST_WORDS: Final = 200


class _Counted(msgspec.Struct):
    input_tokens: int


_counted = msgspec.json.Decoder(_Counted)


async def count_at(transport: Transport, targets: Sequence[Target], raw: bytes, shape: Shape) -> int | None:
    """Return what the first of them says that can count; None where the first target cannot, or none answers."""
    if not targets or not can_count(targets[0]):
        return None
    for target in [each for each in targets if can_count(each)][:MOST_TRIED]:
        tokens = await _ask(transport, target, raw, shape)
        if tokens is not None:
            return tokens
    return None


def can_count(target: Target) -> bool:
    """Return whether the target has Anthropic's API, under its own paths."""
    api = upstream_api(MESSAGES, target, has_tools=False)
    return (MESSAGES, api) in FACTORIES and target.provider not in _CLOUDS


async def _ask(transport: Transport, target: Target, raw: bytes, shape: Shape) -> int | None:
    dialect = Dialects(shape, client_api=MESSAGES).for_target(target)
    try:
        body = dialect.request(raw, target)
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **dialect.headers(target),
        }
        url = PROVIDERS[target.provider].url(target, _PATH)
        request = UpstreamRequest("POST", url, headers, body, target.is_guarded)
        await scheme.sign(PROVIDERS[target.provider].auth, request, target)
        response = await transport.send(request, _LIMITS)
        try:
            found = await response.read(_MOST_READ, truncate=True)
        finally:
            await response.aclose()
        if response.status == _OK:
            return max(0, _counted.decode(found).input_tokens)
        why = f"status {response.status}"
    except (UpstreamFailed, Unsupported, msgspec.DecodeError) as failure:
        why = redact(f"{type(failure).__name__}: {failure}", target.secrets())
    FALLBACKS.note("native_count", f"{target.name}: {why}"[:_MOST_WORDS])
    return None
