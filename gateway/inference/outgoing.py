"""Builds what is sent to providers for a request, and the off-loop reader of its large responses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from budgets.admission.prompt_counts import ProviderCount
from gateway.inference.call_context import CallContext
from gateway.overload.body_memory import BodyMemoryLease
from gateway.overload.exceptions import Overloaded
from gateway.parsing.parsed_request import ParsedRequest
from gateway.runtime import Runtime
from metering.meter import Meter
from providers.conversation.registry import CLIENTS
from providers.conversation.responses.side import COMPACTION
from providers.dialects.base import Shape
from providers.dialects.choice import Dialects
from providers.dialects.offload import Offload
from providers.native_count.asking import Prompt
from providers.outgoing import Outgoing, ResponseKind
from providers.resilience.plan import CallProgress
from providers.target import Target
from providers.tokens.amounts import Bound

COPIES: Final = 3  # of a large event: as received, in one piece, and for the client


def _grow_lease(lease: BodyMemoryLease, body_bytes: int, live: Runtime, size: int) -> bool:
    """Grow the body memory lease for a large event, or a response in the other form; return False if memory is full.

    The type is GrantMemory (providers/framing/sse.py). A failure is counted as shed load.
    """
    try:
        lease.grow_to(body_bytes + COPIES * size)
    except Overloaded as refusal:
        live.metrics.shed.add((refusal.reason,))
        return False
    return True


def dialects_of(context: CallContext, live: Runtime, shape: Shape, client_api: str) -> Dialects:
    """Return the dialects that translate the call, one for each API of its targets."""
    grant_memory = partial(_grow_lease, context.body_lease(live), len(context.body), live)
    return Dialects(
        shape,
        grant_memory,
        live.config.streams.max_event_bytes,
        client_api,
        context.conversation,
        context.conversation_head,
    )


def sent_shape(context: CallContext, live: Runtime, parsed: ParsedRequest) -> Shape:
    """Return the shape with what the context knows, and the salt for the tenant's names."""
    return msgspec.structs.replace(
        parsed.shape,
        salt=live.tenant_salts.for_tenant(context.caller.tenant_id),
        response_id=context.id,
        client_headers=context.options.client_headers,
        tools=parsed.demand.tools,
    )


def provider_count_of(
    context: CallContext, live: Runtime, parsed: ParsedRequest, client_api: str
) -> ProviderCount | None:
    """Return what asks providers for the tokens of the prompt; None: no API of theirs counts such a request."""
    counter = live.provider_counter
    if counter is None or client_api not in CLIENTS or client_api == COMPACTION:
        return None

    async def count(targets: Sequence[Target]) -> Bound | None:
        shape = sent_shape(context, live, parsed)
        prompt = Prompt(context.body, shape, client_api, context.conversation)
        return await counter.count(context.caller.tenant_id, prompt, targets)

    return count


def outgoing_of(
    context: CallContext, live: Runtime, shape: Shape, meter: Meter, answer: ResponseKind
) -> Outgoing:
    """Return the call as the attempts send it; `answer` says in which form the client gets the response."""
    tenant_id = context.caller.tenant_id
    return Outgoing(
        request_id=context.id,
        raw=context.body,
        answer=answer,
        trace_parent=context.options.trace_parent,
        has_cap=shape.output_cap is not None,
        asks_usage=shape.stream and not shape.include_usage,
        progress=CallProgress(tenant_id),
        on_response=meter.record_response,
        offload=Offload(live.heavy_work, tenant_id, shape),
        raise_hold=meter.raise_hold,
    )
