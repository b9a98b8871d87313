"""Begins a binary response: waits for its first bytes, so that a failure before them may still fail over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.dialects.base import Dialect
from providers.errors.exceptions import ErrorWith200
from providers.errors.messages import LONGEST
from providers.exchange import first_content, stream_for

if TYPE_CHECKING:
    from providers.call import Call
    from providers.outgoing import Outgoing

JSON = "application/json"


async def first_piece(call: Call, dialect: Dialect, outgoing: Outgoing) -> bytes:
    """Return the first bytes for the client. Raises UpstreamFailed, also for an error that came with status 200."""
    outgoing.progress.stream = stream_for(call, dialect, outgoing)
    media_type = call.response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == JSON or media_type.endswith("+json"):
        raise ErrorWith200(await call.response.read(LONGEST, truncate=True))
    blocks = call.blocks = call.response.chunks()
    return await first_content(call, blocks, await anext(blocks, b""))
