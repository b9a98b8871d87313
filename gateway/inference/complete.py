"""Completes a call with a JSON response: its bill, the stored response of its Idempotency-Key, its headers."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from budgets.admission.interface import LimitStatus
from catalog.routing.resolve import Route
from gateway import runtime
from gateway.http.client_connection import ClientGone
from gateway.http.headers import addition_headers, call_headers, fallback_headers
from gateway.http.response import JSON, Headers, Response
from gateway.idempotency.store import IdempotencyClaim
from gateway.inference.call_context import CallContext
from gateway.inference.outcomes import CLIENT_GONE, deployment_of, internal_error, record_failure
from gateway.inference.routing.planning import fallback_reason
from gateway.runtime import Runtime
from gateway.values.stop_reason import StopReason
from metering.journal.pending_close import CloseNotPersisted
from metering.meter import CallOutcome, Meter
from providers.call import Call
from providers.dialects.base import Answered


async def complete(context: CallContext, route: Route, meter: Meter, call: Call) -> Response:
    """Record the response and return it. Raises ClientGone if the client has disconnected."""
    client_disconnected = context.is_client_disconnected  # the response was still read to its end
    answered = call.answered
    assert answered is not None  # noqa: S101 - a call that is not a stream was answered
    try:
        if call.unrecorded and (context.claim is not None or not answered.is_known):
            # The close is not written in this step: a separate task does it, or the usage is counted first.
            meter.record_response(call.target, call.unrecorded, answered.usage)
        outcome = _outcome(route, meter, call, answered, client_disconnected=client_disconnected)
    except Exception:  # a defect of ours: the call still gets its row, the error table logs it
        await record_failure(context, meter, route, internal_error())
        raise
    context.limit_status = await _recording(context, meter, outcome, answered)
    if client_disconnected:
        raise ClientGone
    headers = response_headers(context, route, call, meter, outcome.overhead_ms)
    return Response(200, answered.body, [JSON, *headers])


def _outcome(
    route: Route, meter: Meter, call: Call, answered: Answered, *, client_disconnected: bool
) -> CallOutcome:
    return CallOutcome(
        status="cancelled" if client_disconnected else "ok",
        http_status=CLIENT_GONE if client_disconnected else 200,
        error_code=StopReason.CLIENT_DISCONNECTED.value if client_disconnected else "",
        target=call.target,
        sheet=deployment_of(route, call.target.id).sheet,
        usage=answered.usage,
        produced=answered.produced,
        overhead_ms=meter.overhead_ms(),
    )


def _recording(
    context: CallContext, meter: Meter, outcome: CallOutcome, answered: Answered
) -> Coroutine[Any, Any, LimitStatus]:
    """Return what records the call, and stores its response for its claim. Its result is the limit status after it."""
    closing = meter.close(outcome)
    claim = context.take_claim()
    if claim is None:
        return closing
    # From here on the call was made: it is not repeated, even after a disconnect.
    assert meter.call is not None  # noqa: S101 - it was opened
    meter.call.task = None  # there is nothing left to stop
    live = runtime.current()
    return live.in_flight.run_to_completion(_close_and_keep(live, closing, claim, answered.body))


async def _close_and_keep(
    live: Runtime, closing: Coroutine[Any, Any, LimitStatus], claim: IdempotencyClaim, body: bytes
) -> LimitStatus:
    kept = None if live.config.retention.zero_retention else body
    try:
        limit_status = await closing
    except CloseNotPersisted:
        raise  # the worker that adopts the journal records how the call ended
    except Exception:  # the close is durable, even if settling failed: the call is never repeated
        await live.idempotency.complete(claim, 200, "application/json", kept)
        raise
    await live.idempotency.complete(claim, 200, "application/json", kept)
    return limit_status


def response_headers(
    context: CallContext, route: Route, call: Call, meter: Meter, overhead_ms: float | None
) -> Headers:
    """Return X-Gateway-*; `overhead_ms` as in the ledger."""
    target = call.target
    context.log_facts.update(provider=target.provider, deployment=target.name, attempts=len(meter.attempts))
    return [
        *call_headers(target.provider, target.name, len(meter.attempts), meter.cost_nanousd),
        *fallback_headers(target.alias, fallback_reason(route, call)),
        *addition_headers(call.set_by_gateway),
        (b"x-gateway-overhead-ms", f"{overhead_ms:.3f}".encode()),
    ]
