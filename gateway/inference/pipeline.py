"""One inference call from start to end: authorize, parse, route, reserve, call, respond (docs/request.md).

`serve` takes an HTTP request; `run` needs none. Every endpoint takes the same steps; the differences are in Endpoint.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from budgets.admission import reserve
from budgets.admission.interface import BudgetRefused, RateRefused
from budgets.admission.prompt_counts import ReservationRequest
from budgets.admission.reserve import Reservation
from budgets.rules import rules_for
from catalog.routing.resolve import Route
from gateway import runtime
from gateway.http.errors import response_for
from gateway.http.exceptions import stop_error
from gateway.http.request import V1Request
from gateway.http.response import Response
from gateway.inference.call_context import CallContext, CallOptions
from gateway.inference.complete import complete
from gateway.inference.endpoint import Endpoint
from gateway.inference.metered_call import meter_for
from gateway.inference.once import run_once
from gateway.inference.outcomes import internal_error, record_cancellation, record_failure, record_void
from gateway.inference.outgoing import dialects_of, outgoing_of, provider_count_of, sent_shape
from gateway.inference.relay import stream_response
from gateway.inference.routing.planning import deadline_of, make_plan, resolve_route
from gateway.inference.token_counter import charge, counter_for
from gateway.parsing.parsed_request import ParsedRequest
from gateway.runtime import Runtime
from gateway.values.stop_reason import BY_CLIENT
from metering.decision import decision_trace
from metering.inflight import InFlightCall
from metering.meter import Meter
from metering.read_on import ReadOn
from providers.dialects.base import Shape
from providers.errors.exceptions import UpstreamFailed
from providers.outgoing import Outgoing, ResponseKind
from providers.requests.money_classes import Unacceptable
from providers.resilience.plan import Deadline, Plan
from providers.upstream import open_call
from tenants.auth import require_scope


async def serve(request: V1Request, endpoint: Endpoint) -> Response:
    """Serve one HTTP request. The error table (gateway/http/errors.py) maps its exceptions to responses."""
    live, context = runtime.current(), request.context
    require_scope(context.caller, endpoint.scope)  # 403
    context.acquire_slot(live)  # 503, before the body is read
    context.body = await endpoint.body.read(request, context, live)  # 413, 415, 503
    context.options = CallOptions.of(request)
    parsed = await endpoint.body.parse(context.body, context, live)  # 400
    return await run(context, endpoint, parsed)


async def run(context: CallContext, endpoint: Endpoint, parsed: ParsedRequest) -> Response:
    """Run one call for `context.caller` with `context.body`; the code that made the context releases it."""
    live, caller = runtime.current(), context.caller
    if parsed.demand.keeps and live.config.retention.zero_retention:
        kept = parsed.demand.keeps
        raise Unacceptable(f"'{kept}' asks the provider to keep the call, which is not allowed here.", kept)
    context.log_facts.update(
        endpoint=endpoint.name, model=parsed.alias, tenant=caller.tenant, key=caller.key_prefix
    )
    # An invalid deadline is refused before anything is held.
    deadline = deadline_of(context, live.config.server, streams=parsed.shape.stream)  # 400
    route = await resolve_route(
        context, live, parsed, endpoint.model_type, endpoint.dialect
    )  # 400, 404, 403, 429, 503
    if not context.options.idempotency_key:
        return await _perform(context, live, endpoint, route, parsed, deadline)
    return await run_once(
        context, endpoint.path, lambda: _perform(context, live, endpoint, route, parsed, deadline)
    )


async def _perform(
    context: CallContext,
    live: Runtime,
    endpoint: Endpoint,
    route: Route,
    parsed: ParsedRequest,
    deadline: Deadline,
) -> Response:
    caller = context.caller
    rules = rules_for(live.rulebook, caller)
    ask = ReservationRequest(
        context.id,
        rules,
        route,
        parsed.demand,
        context.body,
        caller.tenant_id,
        counter_for(live, endpoint.dialect),
        provider_count_of(context, live, parsed, endpoint.dialect),
    )
    try:
        reservation = await reserve.reserve(live.admission, ask)  # 400, 403, 429
    except (BudgetRefused, RateRefused) as refusal:
        if refusal.is_counted:
            await charge(live.admission, context.id, rules)
        raise
    try:  # nothing here waits, and nothing was sent yet
        plan = make_plan(route, deadline)
        trace = decision_trace(route, rules, reservation, live.snapshot.problems)
        meter = meter_for(context, endpoint.name, route, parsed, reservation, trace)
    except BaseException:  # a defect of ours or a cancellation
        context.limit_status = await live.admission.settle(context.id, 0, 0)  # the grant is returned
        raise
    shape = _sent(sent_shape(context, live, parsed), reservation)
    answer = await _call(context, endpoint, meter, route, shape, plan)  # 502, 503, 504, a provider's own 4xx
    if route.model.shadows:
        sent = msgspec.structs.replace(parsed, shape=shape)
        tokens = reservation.prompt.tokens
        live.shadow_traffic.mirror(context.id, endpoint.name, route.model, sent, context.body, tokens)
    return answer


def _sent(shape: Shape, reservation: Reservation) -> Shape:
    """Return the shape with the cap that the hold was made for."""
    cap = reservation.sent_cap if reservation.sent_cap is not None else shape.output_cap
    return msgspec.structs.replace(shape, output_cap=cap, prompt_tokens=reservation.prompt.tokens)


async def _call(
    context: CallContext, endpoint: Endpoint, meter: Meter, route: Route, shape: Shape, plan: Plan
) -> Response:
    live, answer = runtime.current(), endpoint.answer(streams=shape.stream)
    try:
        dialects = dialects_of(context, live, shape, endpoint.dialect)
        outgoing = outgoing_of(context, live, shape, meter, answer)
        running = meter.open(context.caller)
        if answer is not ResponseKind.JSON:
            context.open_stream(live.config.streams, endpoint.framing())
        read_on = _read_on(context, live, running, outgoing)
    except BaseException:  # a defect of ours, no room in the journal, or a cancellation
        await record_void(context, meter)  # nothing was sent: the grant is returned
        raise
    sent_at = time.perf_counter()
    try:
        call = await open_call(live.transport, dialects, outgoing, plan, meter.attempts, live.health)
    except (Exception, asyncio.CancelledError) as error:
        meter.waited_s = time.perf_counter() - sent_at
        raised = await _record_end(context, meter, route, error)
        if raised is error:
            raise
        raise raised from None
    meter.waited_s = time.perf_counter() - sent_at
    if answer is ResponseKind.JSON:
        return await complete(context, route, meter, call)
    running.stream = call.stream
    return stream_response(context, endpoint, route, meter, call, outgoing.progress, read_on)


def _read_on(context: CallContext, live: Runtime, running: InFlightCall, outgoing: Outgoing) -> ReadOn:
    """Return what decides whether the call continues when its client disconnects."""
    progress, is_json = outgoing.progress, outgoing.answer is ResponseKind.JSON
    read_on = ReadOn(
        live.reading_on, context.caller.tenant_id, progress, lambda: is_json and progress.was_sent
    )
    running.progress = progress
    if context.connection is not None:
        context.connection.read_on = read_on
    return read_on


async def _record_end(
    context: CallContext, meter: Meter, route: Route, error: BaseException
) -> BaseException:
    """Record a call that no provider answered; return the error for its client."""
    if isinstance(error, UpstreamFailed):
        await record_failure(context, meter, route, error)
    elif isinstance(error, asyncio.CancelledError):
        reason = context.stop_reason()
        if reason not in BY_CLIENT:
            stopped = stop_error(reason)
            await record_cancellation(context, meter, route, reason, response_for(stopped).status_code)
            return stopped
        await record_cancellation(context, meter, route, reason)
    else:  # a defect of ours: the call still gets its row, the error table logs it
        await record_failure(context, meter, route, internal_error())
    return error
