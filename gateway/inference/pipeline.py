"""One inference call from start to end: authorize, parse, route, reserve, call, respond (docs/request.md).

Every endpoint takes the same steps with its own body parser; the differences are in Endpoint.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import msgspec

from budgets.admission import reserve
from budgets.admission.interface import BudgetRefused, RateRefused
from budgets.admission.reserve import Reservation, ReservationRequest
from budgets.rules import rules_for
from catalog.routing.resolve import Route
from gateway import runtime
from gateway.http.errors import response_for
from gateway.http.exceptions import ShuttingDown, stop_error
from gateway.http.limit_status import standing_of
from gateway.http.request import V1Request
from gateway.http.response import EVENT_STREAM, Response
from gateway.http.sse_writer import sse_writer_for
from gateway.idempotency.store import StoredResponse
from gateway.inference.complete import complete, response_headers
from gateway.inference.outcomes import (
    deployment_of,
    internal_error,
    overhead_ms,
    record_cancellation,
    record_failure,
    record_void,
    sheet_of,
)
from gateway.inference.outgoing import dialects_of, outgoing_of
from gateway.inference.relay import StreamRelay
from gateway.inference.route_planning import make_plan, resolve_route
from gateway.inference.token_counter import charge
from gateway.inference.unknown_members import refuse_members
from gateway.overload.exceptions import Overloaded
from gateway.parsing.json_body import json_body
from gateway.parsing.large_bodies import understand
from gateway.parsing.schemas import BodyParser, ParsedRequest
from gateway.runtime import Runtime
from gateway.values.tasks import spawn
from metering.decision import DecisionTrace, decision_trace
from metering.disputed_usage import Most
from metering.inflight import InFlightCall
from metering.journal.records import Open
from metering.meter import Meter
from metering.read_on import ReadOn
from providers.call import Call
from providers.dialects.base import Shape
from providers.errors.exceptions import UpstreamFailed
from providers.requests.money_classes import Unacceptable
from providers.resilience.plan import Plan
from providers.tenant_salt import Salt
from providers.upstream import open_call
from tenants.auth import require_scope
from tenants.caller import Caller


class Endpoint(msgspec.Struct, frozen=True):
    """What makes one endpoint differ from another."""

    name: str  # as in metrics and the ledger
    scope: str  # a key's scope that allows it
    model_type: str
    peek: BodyParser


async def serve(request: V1Request, endpoint: Endpoint) -> Response:
    """Serve one call. The error table (gateway/http/errors.py) maps its exceptions to responses."""
    live, caller = runtime.current(), request.auth
    require_scope(caller, endpoint.scope)  # 403
    check_capacity(request, live)  # 503, before the body is read
    raw = await json_body(request, live)  # 413, 415, 503
    share = live.heavy.share(caller.tenant_id)
    want = await understand(raw, endpoint.peek, live.config.server, share)  # 400
    if want.demand.keeps and live.config.retention.zero_retention:
        kept = want.demand.keeps
        raise Unacceptable(f"'{kept}' asks the provider to keep the call, which is not allowed here.", kept)
    request.facts.update(
        endpoint=endpoint.name, model=want.alias, tenant=caller.tenant, key=caller.key_prefix
    )
    route = await resolve_route(request, live, want, endpoint.model_type)  # 400, 404, 403, 429, 503

    if not request.header(b"idempotency-key"):
        return await _perform(request, endpoint, route, want)
    return await _once(request, endpoint, route, want)


async def _perform(request: V1Request, endpoint: Endpoint, route: Route, want: ParsedRequest) -> Response:
    live, caller = runtime.current(), request.auth
    rules = rules_for(live.rulebook, caller)
    wish = ReservationRequest(
        request.id, rules, route, want.demand, request.raw, caller.tenant_id, live.counter
    )
    try:
        held = await reserve.reserve(live.admission, wish)  # 400, 403, 429
    except (BudgetRefused, RateRefused) as refusal:
        if refusal.is_counted:
            await charge(live.admission, request.id, rules)
        raise
    try:  # nothing here waits, and nothing was sent yet
        plan = make_plan(request, live, route, want)
        meter = _meter(
            request, endpoint, route, want, held, decision_trace(route, rules, held, live.snapshot.problems)
        )
    except BaseException:  # a defect of ours or a cancellation
        request.standing = await live.admission.settle(request.id, 0, 0)  # the grant is returned
        raise
    shape = _sent(want.shape, held, live.salts.of(caller.tenant_id))
    answer = await _call(request, live, meter, route, shape, plan)  # 502, 503, 504, a provider's own 4xx
    if route.model.shadows:
        sent = msgspec.structs.replace(want, shape=shape)
        live.shadows.mirror(request.id, endpoint.name, route.model, sent, request.raw, held.prompt.tokens)
    return answer


def _meter(
    request: V1Request,
    endpoint: Endpoint,
    route: Route,
    want: ParsedRequest,
    held: Reservation,
    trace: DecisionTrace,
) -> Meter:
    live, caller = runtime.current(), request.auth
    request.standing = held.grant.standing
    live.key_use.record(caller.key_id, held.grant.admitted_at)
    if held.output_cap is not None:
        cap = str(held.output_cap).encode()
        request.extra_headers.append((b"x-gateway-max-tokens", cap))
        if held.is_clamped or held.is_lowered:
            request.extra_headers.append((b"x-gateway-clamped-max-tokens", cap))
    most = Most(held.most_output, held.most_nanousd, held.sent_cap is not None)
    intent = _intent(request, endpoint, caller, route, want, held)
    meter = Meter(live.books, intent, request.raw, trace, most, request.received_at)
    request.meter = meter
    meter.sheets = partial(sheet_of, route)
    if want.demand.unknown and held.most_nanousd is not None:
        meter.exceeded = partial(refuse_members, live, route, want.demand.unknown)
    return meter


async def _once(request: V1Request, endpoint: Endpoint, route: Route, want: ParsedRequest) -> Response:
    """Make the call at most once for its Idempotency-Key, or repeat its response. 409, 422, 503"""
    live, caller = runtime.current(), request.auth
    claiming = spawn(
        live.replays.claim(
            f"{caller.key_id} POST {request.path}",
            request.header(b"idempotency-key"),
            request.raw,
            request.id,
            tenant_id=caller.tenant_id,
            keeps_streams=caller.stores_answers and not live.config.retention.zero_retention,
        )
    )
    try:
        claim = await asyncio.shield(claiming)
    except asyncio.CancelledError:  # its row may still be inserted
        live.running.run_in_background(live.replays.release_when_claimed(claiming))
        raise
    if isinstance(claim, StoredResponse):
        request.standing = await standing_of(caller)
        return _replayed(claim)
    request.claim = claim  # the code that records the outcome takes it
    try:
        return await _perform(request, endpoint, route, want)
    except BaseException:  # also when cancelled
        if request.claim is not None:  # a refusal or a failure is not kept: a retry may run
            await live.running.run_to_completion(live.replays.release(claim))
        raise


def _replayed(stored: StoredResponse) -> Response:
    """Return the stored response of an earlier call with this Idempotency-Key."""
    headers = [
        (b"content-type", stored.content_type.encode()),
        (b"idempotency-replayed", b"true"),
        (b"x-original-request-id", stored.request_id.encode()),
    ]
    return Response(stored.status, stored.body, headers)


def check_capacity(request: V1Request, live: Runtime) -> None:
    """Take a slot, which the handler releases when the response was sent. Raises ShuttingDown, Overloaded."""
    if live.is_draining:
        raise ShuttingDown
    caller = request.auth
    try:
        request.slot = live.shedding.acquire(caller.tenant_id, is_batch=caller.is_batch)
    except Overloaded as refusal:
        live.metrics.shed.add((refusal.reason,))
        raise


def _sent(shape: Shape, held: Reservation, salt: Salt) -> Shape:
    """Return the shape with the cap that the hold was made for, and the salt for the tenant's names."""
    cap = held.sent_cap if held.sent_cap is not None else shape.output_cap
    return msgspec.structs.replace(shape, output_cap=cap, salt=salt)


def _intent(
    request: V1Request,
    endpoint: Endpoint,
    caller: Caller,
    route: Route,
    want: ParsedRequest,
    held: Reservation,
) -> Open:
    first = route.deployments[0]
    return Open(
        id=request.id,
        started_at=held.grant.admitted_at,
        tenant_id=caller.tenant_id,
        tenant=caller.tenant,
        key_id=caller.key_id,
        key_prefix=caller.key_prefix,
        endpoint=endpoint.name,
        model=want.alias,
        provider=first.target.provider,
        deployment=first.target.name,
        upstream_model=first.target.upstream_model,
        stream=want.shape.stream,
        input_tokens=held.prompt.tokens,
        hold_nanousd=held.hold_nanousd,
        is_bound=held.most_nanousd is not None,
        most_output=held.most_output,
        sheet=first.sheet,
        trace_id=request.trace_parent[3:35],
        idempotency_key=request.header(b"idempotency-key")[:255],
        client_request_id=request.header(b"x-client-request-id")[:128],
    )


async def _call(
    request: V1Request, live: Runtime, meter: Meter, route: Route, shape: Shape, plan: Plan
) -> Response:
    try:
        dialects = dialects_of(request, live, shape)
        outgoing = outgoing_of(request, live, shape, meter)
        running = meter.open(request.auth)
    except BaseException:  # a defect of ours, no room in the journal, or a cancellation
        await record_void(request, meter)  # nothing was sent: the grant is returned
        raise
    pulse = request.pulse = sse_writer_for(request, live.config.streams) if shape.stream else None
    streams, asker = shape.stream, outgoing.asker
    read_on = ReadOn(live.reading_on, request.auth.tenant_id, asker, lambda: not streams and asker.is_heard)
    request.read_on, running.asker = read_on, asker
    sent_at = time.perf_counter()
    try:
        try:
            call = await open_call(live.transport, dialects, outgoing, plan, meter.attempts, live.health)
        finally:
            request.waited_s = time.perf_counter() - sent_at
    except UpstreamFailed as failure:
        await record_failure(request, meter, route, failure)
        raise
    except asyncio.CancelledError:
        reason = running.stop_reason
        if reason is None:
            await record_cancellation(request, meter, route)
            raise
        stopped = stop_error(reason)
        await record_cancellation(request, meter, route, reason, response_for(stopped).status_code)
        raise stopped from None
    except Exception:  # a defect of ours: the call still gets its row, the error table logs it
        await record_failure(request, meter, route, internal_error())
        raise
    if pulse is None:
        return await complete(request, route, meter, call)
    running.stream = call.stream
    relay, own_ms = _relay(request, meter, route, call, running)
    relay.asker, read_on.is_worth = asker, relay.awaits_usage
    return Response(200, b"", [*EVENT_STREAM, *response_headers(request, route, call, meter, own_ms)], relay)


def _relay(
    request: V1Request, meter: Meter, route: Route, call: Call, running: InFlightCall
) -> tuple[StreamRelay, float]:
    """Return the relay of a stream, and the overhead for its head and its row."""
    pulse, own_ms = request.pulse, overhead_ms(request)
    assert pulse is not None  # noqa: S101 - streams have one
    sheet = deployment_of(route, call.target.id).sheet
    relay = StreamRelay(call, meter, running, pulse, sheet=sheet, overhead_ms=own_ms)
    relay.claim, request.claim = request.claim, None  # the relay completes or releases it at its end
    return relay, own_ms
