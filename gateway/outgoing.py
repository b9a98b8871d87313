"""What of a request goes out to providers, and what reads aside for it what comes back large."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from gateway.connections import Connections
from gateway.refusals import Overloaded
from gateway.request import V1Request
from metering.meter import Meter
from providers.dialects.base import Answered, Seen, Shape
from providers.dialects.large_answers import read_aside
from providers.dialects.large_events import read_event_aside
from providers.dialects.openai_openai import OpenAIToOpenAI
from providers.plan import Asker
from providers.sse import Room
from providers.upstream import Outgoing

COPIES: Final = 3  # of a large event: as it came, in one piece, and for the client


def room_of(request: V1Request, live: Connections) -> Room:
    """Let large events of a stream take of the memory that there is for bodies."""

    def room(size: int) -> bool:
        portion = request.portion
        assert portion is not None  # noqa: S101 - its body was read
        try:
            portion.cover(len(request.raw) + COPIES * size)
        except Overloaded as refusal:
            live.metrics.shed.add((refusal.reason,))
            return False
        return True

    return room


def dialect_of(request: V1Request, live: Connections, shape: Shape) -> OpenAIToOpenAI:
    """Return what translates the call; only streams have events that are bounded."""
    if not shape.stream:
        return OpenAIToOpenAI(shape)
    return OpenAIToOpenAI(shape, room_of(request, live), live.config.streams.max_event_bytes)


def outgoing_of(request: V1Request, live: Connections, shape: Shape, meter: Meter) -> Outgoing:
    def aside(raw: bytes) -> Coroutine[Any, Any, Answered]:
        return read_aside(live.heavy.share(request.auth.tenant_id), shape, raw)

    def event_aside(raw: bytes) -> Coroutine[Any, Any, Seen]:
        return read_event_aside(live.heavy.share(request.auth.tenant_id), raw)

    streams = shape.stream

    return Outgoing(
        request_id=request.id,
        path=shape.path,
        raw=request.raw,
        streams=streams,
        trace_parent=request.trace_parent,
        has_cap=shape.output_cap is not None,
        asks_usage=streams and not shape.include_usage,
        asker=Asker(request.auth.tenant_id),
        heard=meter.answered,
        aside=None if streams else aside,
        event_aside=event_aside if streams else None,
        again=meter.again,
    )
