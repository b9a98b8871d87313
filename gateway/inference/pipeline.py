"""One inference call as a story: who asks, what they want, where it can go, may they, call, answer (docs/request.md).

Every endpoint tells the same story with its own peek; what differs is in Endpoint.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import msgspec

from budgets.admission import reserve
from budgets.admission.interface import BudgetRefused, RateRefused
from budgets.admission.reserve import Held, Wish
from budgets.rules import rules_for
from catalog.routing.resolve import Route
from gateway import runtime
from gateway.api.large_bodies import understand
from gateway.api.schemas import Peek, Want
from gateway.http.errors import answer_to
from gateway.http.exceptions import Overloaded, ShuttingDown, stopped
from gateway.http.json_body import json_body
from gateway.http.limit_status import standing_of
from gateway.http.request import V1Request
from gateway.http.response import EVENT_STREAM, Answer
from gateway.http.sse_writer import pulse_of
from gateway.idempotency.store import Kept
from gateway.inference.complete import call_headers, complete
from gateway.inference.outcomes import (
    cancelled,
    ending_of,
    failed,
    internal_error,
    overhead_ms,
    sheet_of,
    voided,
)
from gateway.inference.outgoing import dialect_of, outgoing_of
from gateway.inference.read_on import ReadOn
from gateway.inference.relay import Relay
from gateway.inference.route_planning import plan_of, route_of
from gateway.inference.token_counter import charge
from gateway.inference.unknown_members import refuse_members
from gateway.runtime import Connections
from metering.disputed_usage import Most
from metering.explain.decision import Trace, trace_of
from metering.inflight import RunningCall
from metering.journal.records import Open
from metering.meter import Meter
from providers.dialects.base import Shape
from providers.errors.exceptions import UpstreamFailed
from providers.requests.money_classes import Unacceptable
from providers.resilience.plan import Plan
from providers.tenant_salt import Salt
from providers.upstream import Call, open_call
from tenants.auth import require_scope
from tenants.caller import Caller


class Endpoint(msgspec.Struct, frozen=True):
    """What makes one endpoint differ from another."""

    name: str  # as in metrics and the ledger
    scope: str  # a key's scope that allows it
    model_type: str
    peek: Peek


async def serve(request: V1Request, endpoint: Endpoint) -> Answer:
    """Serve one call. What it raises, the error table (gateway/http/errors.py) answers."""
    live, caller = runtime.live(), request.auth
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
    route = await route_of(request, live, want, endpoint.model_type)  # 400, 404, 403, 429, 503

    if not request.header(b"idempotency-key"):
        return await _perform(request, endpoint, route, want)
    return await _once(request, endpoint, route, want)


async def _perform(request: V1Request, endpoint: Endpoint, route: Route, want: Want) -> Answer:
    live, caller = runtime.live(), request.auth
    rules = rules_for(live.rulebook, caller)
    wish = Wish(request.id, rules, route, want.demand, request.raw, caller.tenant_id, live.counter)
    try:
        held = await reserve.reserve(live.admission, wish)  # 400, 403, 429
    except (BudgetRefused, RateRefused) as refusal:
        if refusal.is_counted:
            await charge(live.admission, request.id, rules)
        raise
    try:  # nothing here waits, and nothing was sent yet
        plan = plan_of(request, live, route, want)
        meter = _meter(
            request, endpoint, route, want, held, trace_of(route, rules, held, live.snapshot.problems)
        )
    except BaseException:  # a defect of ours or the task's end
        request.standing = await live.admission.settle(request.id, 0, 0)  # what was granted goes back
        raise
    shape = _sent(want.shape, held, live.salts.of(caller.tenant_id))
    answer = await _call(request, live, meter, route, shape, plan)  # 502, 503, 504, a provider's own 4xx
    if route.model.shadows:
        sent = msgspec.structs.replace(want, shape=shape)
        live.shadows.mirror(request.id, endpoint.name, route.model, sent, request.raw, held.prompt.tokens)
    return answer


def _meter(
    request: V1Request, endpoint: Endpoint, route: Route, want: Want, held: Held, trace: Trace
) -> Meter:
    live, caller = runtime.live(), request.auth
    request.standing = held.grant.standing
    live.key_use.note(caller.key_id, held.grant.admitted_at)
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


async def _once(request: V1Request, endpoint: Endpoint, route: Route, want: Want) -> Answer:
    """Make the call at most once for its Idempotency-Key, or give its answer again. 409, 422, 503"""
    live, caller = runtime.live(), request.auth
    claiming = asyncio.ensure_future(
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
    except asyncio.CancelledError:  # its row may be there before long
        live.running.later(live.replays.forsake(claiming))
        raise
    if isinstance(claim, Kept):
        request.standing = await standing_of(caller)
        return claim.answer()
    request.claim = claim  # whoever records how the call ends takes it
    try:
        return await _perform(request, endpoint, route, want)
    except BaseException:  # canceled too
        if request.claim is not None:  # a refusal or a failure is not kept: a retry may run
            await live.running.surely(live.replays.drop(claim))
        raise


def check_capacity(request: V1Request, live: Connections) -> None:
    """Take a slot, which the handler gives back when the answer has left. Raises ShuttingDown, Overloaded."""
    if live.is_draining:
        raise ShuttingDown
    caller = request.auth
    try:
        request.slot = live.shedding.take(caller.tenant_id, is_batch=caller.is_batch)
    except Overloaded as refusal:
        live.metrics.shed.add((refusal.reason,))
        raise


def _sent(shape: Shape, held: Held, salt: Salt) -> Shape:
    """Tell the dialect to send the cap that the hold was made for, and names as the tenant's own."""
    cap = held.sent_cap if held.sent_cap is not None else shape.output_cap
    return msgspec.structs.replace(shape, output_cap=cap, salt=salt)


def _intent(
    request: V1Request, endpoint: Endpoint, caller: Caller, route: Route, want: Want, held: Held
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
    request: V1Request, live: Connections, meter: Meter, route: Route, shape: Shape, plan: Plan
) -> Answer:
    try:
        dialect = dialect_of(request, live, shape)
        outgoing = outgoing_of(request, live, shape, meter)
        running = meter.open(request.auth)
    except BaseException:  # a defect of ours, no room in the journal, or the task's end
        await voided(request, meter)  # nothing was sent: the grant goes back
        raise
    pulse = request.pulse = pulse_of(request, live.config.streams) if shape.stream else None
    streams, asker = shape.stream, outgoing.asker
    read_on = ReadOn(live.reading_on, request.auth.tenant_id, asker, lambda: not streams and asker.is_heard)
    request.read_on, running.asker = read_on, asker
    sent_at = time.perf_counter()
    try:
        try:
            call = await open_call(live.transport, dialect, outgoing, plan, meter.attempts, live.health)
        finally:
            request.waited_s = time.perf_counter() - sent_at
    except UpstreamFailed as failure:
        await failed(request, meter, route, failure)
        raise
    except asyncio.CancelledError:
        if not running.stop_code:
            await cancelled(request, meter, route)
            raise
        ending = stopped(running.stop_code)
        await cancelled(request, meter, route, running.stop_code, answer_to(ending).status_code)
        raise ending from None
    except Exception:  # a defect of ours: the call has its row all the same, the error table logs it
        await failed(request, meter, route, internal_error())
        raise
    if pulse is None:
        return await complete(request, route, meter, call)
    running.stream = call.stream
    relay, own_ms = _relay(request, meter, route, call, running)
    relay.asker, read_on.is_worth = asker, relay.awaits_usage
    return Answer(200, b"", [*EVENT_STREAM, *call_headers(request, route, call, meter, own_ms)], relay)


def _relay(
    request: V1Request, meter: Meter, route: Route, call: Call, running: RunningCall
) -> tuple[Relay, float]:
    """Return what passes a stream on, and the overhead that its head and its row tell."""
    pulse, own_ms = request.pulse, overhead_ms(request)
    assert pulse is not None  # noqa: S101 - streams have one
    ending = partial(ending_of, route, call, own_ms)
    relay = Relay(call, meter, running, ending, pulse, request.received_at)
    relay.claim, request.claim = request.claim, None  # the stream is kept, or dropped, where it ends
    return relay, own_ms
