"""Builds what is sent to providers for a request, and the off-loop reader of its large responses."""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.http.request import V1Request
from gateway.overload.body_memory import BodyMemoryLease
from gateway.overload.exceptions import Overloaded
from gateway.runtime import Runtime
from metering.meter import Meter
from providers.dialects.base import Shape
from providers.dialects.choice import Dialects
from providers.dialects.offload import Aside
from providers.outgoing import Outgoing
from providers.resilience.plan import Asker

COPIES: Final = 3  # of a large event: as received, in one piece, and for the client


def _has_room(portion: BodyMemoryLease, body_bytes: int, live: Runtime, size: int) -> bool:
    """Grow the body memory lease for a large event, or for a response in the other form; False if full (sse.Room)."""
    try:
        portion.grow_to(body_bytes + COPIES * size)
    except Overloaded as refusal:
        live.metrics.shed.add((refusal.reason,))
        return False
    return True


def dialects_of(request: V1Request, live: Runtime, shape: Shape) -> Dialects:
    """Return the dialects that translate the call, one for each API of its targets."""
    portion = request.portion
    assert portion is not None  # noqa: S101 - its body was read
    room = partial(_has_room, portion, len(request.raw), live)
    return Dialects(shape, room, live.config.streams.max_event_bytes)


def outgoing_of(request: V1Request, live: Runtime, shape: Shape, meter: Meter) -> Outgoing:
    streams, tenant_id = shape.stream, request.auth.tenant_id
    return Outgoing(
        request_id=request.id,
        path=shape.path,
        raw=request.raw,
        streams=streams,
        trace_parent=request.trace_parent,
        has_cap=shape.output_cap is not None,
        asks_usage=streams and not shape.include_usage,
        asker=Asker(tenant_id),
        heard=meter.answered,
        aside=Aside(live.heavy, tenant_id, shape),
        again=meter.again,
    )
