"""One exchange with a provider: the request as it is sent, and the first content of a stream. Used by upstream.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from providers.additions import Added
from providers.dialects.base import Dialect, Stream
from providers.failures import ErrorWith200, UpstreamBroken
from providers.outline import LARGE
from providers.registry import PROVIDERS
from providers.target import Target
from providers.transport import UpstreamRequest, UpstreamResponse

if TYPE_CHECKING:
    from providers.upstream import Call, Outgoing

QUICK_BYTES: Final = 64 * 1024  # of an answer that is taken apart within a step of the loop
MAX_PRELUDE = 1024 * 1024  # lifecycle events held back until the first content
USER_AGENT = "open-model-gateway"


def request_for(dialect: Dialect, outgoing: Outgoing, target: Target, added: Added) -> UpstreamRequest:
    provider = PROVIDERS[target.provider]
    headers = {
        "content-type": "application/json",
        "accept": "text/event-stream" if outgoing.streams else "application/json",
        "user-agent": USER_AGENT,
        "x-client-request-id": outgoing.request_id,
    }
    if outgoing.trace_parent:
        headers["traceparent"] = outgoing.trace_parent
    provider.auth(target, headers)
    return UpstreamRequest(
        "POST",
        provider.url(target, outgoing.path),
        headers,
        dialect.request(outgoing.raw, target, added),
        target.is_guarded,
    )


async def first_content(response: UpstreamResponse, blocks: AsyncIterator[bytes], stream: Stream) -> bytes:
    """Read until the stream shows content, so that everything before it may still fail over."""
    if not response.headers.get("content-type", "").startswith("text/event-stream"):
        raise UpstreamBroken(f"not an event stream: {response.headers.get('content-type', '')!r}")
    held = b""
    async for block in blocks:
        held += stream.feed(block)
        if stream.started or stream.done:
            return (
                held  # also when an error follows in the same block: this content was produced and is billed
            )
        if stream.failure is not None:
            raise ErrorWith200(stream.failure)
        if len(held) > MAX_PRELUDE:
            raise UpstreamBroken("more than 1 MiB before the first content")
    held += stream.end()
    if not stream.done:
        raise UpstreamBroken("the stream ended before its first content", kind="cut")
    return held


async def read_answer(call: Call, dialect: Dialect, outgoing: Outgoing, raw: bytes) -> None:
    """Take a whole answer apart. Raises MalformedAnswer.

    What may take long, or is no use, is told to `heard` first. What is neither is left in `call.unnoted`: whoever
    ends the call in this very step of the loop need not note that the answer came, all others must.
    """
    if len(raw) <= QUICK_BYTES:
        try:
            call.answered = dialect.response(raw)
        except BaseException:  # whatever it was, the answer came and may be billed; it is raised again
            outgoing.heard(call.target, raw)
            raise
        call.unnoted = raw
        return
    outgoing.heard(call.target, raw)
    if len(raw) > LARGE and outgoing.aside is not None:
        call.answered = await outgoing.aside(raw)
    else:
        call.answered = dialect.response(raw)
