"""Makes the meter of a granted call, and with it the headers of the grant."""

from __future__ import annotations

from functools import partial

from budgets.admission.reserve import Reservation
from catalog.routing.resolve import Route
from gateway import runtime
from gateway.inference.call_context import CallContext
from gateway.inference.outcomes import sheet_of
from gateway.inference.unknown_members import refuse_members
from gateway.parsing.parsed_request import ParsedRequest
from metering.decision import DecisionTrace
from metering.disputed_usage import ChargeLimit
from metering.journal.records import Open
from metering.meter import Meter


def meter_for(
    context: CallContext,
    endpoint: str,
    route: Route,
    parsed: ParsedRequest,
    reservation: Reservation,
    trace: DecisionTrace,
) -> Meter:
    """Return the meter, which `context` now has."""
    live, caller = runtime.current(), context.caller
    context.limit_status = reservation.grant.limit_status
    live.last_used.record(caller.key_id, reservation.grant.admitted_at)
    if reservation.output_cap is not None:
        cap = str(reservation.output_cap).encode()
        context.headers.append((b"x-gateway-max-tokens", cap))
        if reservation.is_clamped or reservation.is_lowered:
            context.headers.append((b"x-gateway-clamped-max-tokens", cap))
    most = ChargeLimit(reservation.most_output, reservation.most_nanousd, reservation.sent_cap is not None)
    record = _open_record(context, endpoint, route, parsed, reservation)
    meter = context.meter = Meter(live.metering, record, context.body, trace, most, context.received_at)
    meter.sheets = partial(sheet_of, route)
    if parsed.demand.unknown and reservation.most_nanousd is not None:
        meter.on_excess = partial(refuse_members, live, route, parsed.demand.unknown)
    return meter


def _open_record(
    context: CallContext, endpoint: str, route: Route, parsed: ParsedRequest, reservation: Reservation
) -> Open:
    caller, options, first = context.caller, context.options, route.deployments[0]
    return Open(
        id=context.id,
        started_at=reservation.grant.admitted_at,
        tenant_id=caller.tenant_id,
        tenant=caller.tenant,
        key_id=caller.key_id,
        key_prefix=caller.key_prefix,
        endpoint=endpoint,
        model=parsed.alias,
        provider=first.target.provider,
        deployment=first.target.name,
        upstream_model=first.target.upstream_model,
        stream=parsed.shape.stream,
        input_tokens=reservation.prompt.tokens,
        hold_nanousd=reservation.hold_nanousd,
        is_bound=reservation.most_nanousd is not None,
        most_output=reservation.most_output,
        sheet=first.sheet,
        trace_id=options.trace_parent[3:35],
        idempotency_key=options.idempotency_key[:255],
        client_request_id=options.client_request_id,
    )
