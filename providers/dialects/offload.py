"""Parses slow results of one call in another process: responses, events, and conversions between the two."""

from __future__ import annotations

import msgspec

from gateway.values.fallback_log import FALLBACKS
from providers.dialects.base import Answered, ParsedEvent, Shape
from providers.dialects.folded import Folded
from providers.dialects.lenient.large_events import read_large_event
from providers.dialects.lenient.large_responses import read_large_response
from providers.dialects.one_piece import Piece
from providers.json_scan.limits import MalformedAnswer
from providers.processes.heavy_work import HeavyWork, Share
from providers.processes.work_process import WorkFailed


class Offload:
    """For one call of this tenant."""

    __slots__ = ("_heavy", "_shape", "_tenant_id")

    def __init__(self, heavy: HeavyWork, tenant_id: int, shape: Shape) -> None:
        self._heavy, self._tenant_id, self._shape = heavy, tenant_id, shape

    @property
    def share(self) -> Share:
        return self._heavy.share(self._tenant_id)

    async def answer(self, raw: bytes) -> Answered:
        """Return a whole response as sent to the client. Raises MalformedAnswer."""
        return await read_large_response(self.share, self._shape, raw)

    async def event(self, raw: bytes) -> ParsedEvent:
        return await read_large_event(self.share, raw)

    async def piece(self, raw: bytes) -> Piece:
        """Parse a whole response that was received instead of a stream."""
        plain = msgspec.structs.replace(self._shape, layout=None, salt=None)  # what concerns the response
        try:
            return await self.share.run(Piece, "piece", raw, plain)
        except WorkFailed as fault:
            FALLBACKS.note("large_answers", fault)
            return Piece(f"an answer of {len(raw)} bytes could not be read: {fault}")

    async def folded(self, events: bytes) -> bytes:
        """Fold a stream's events into one response. Raises MalformedAnswer."""
        try:
            folded = await self.share.run(Folded, "fold", events)
        except WorkFailed as fault:
            FALLBACKS.note("large_answers", fault)
            raise MalformedAnswer(f"a stream of {len(events)} bytes could not be folded: {fault}") from fault
        if folded.malformed:
            raise MalformedAnswer(folded.malformed)
        return folded.document
