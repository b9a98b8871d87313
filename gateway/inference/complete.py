"""Completes a call with a JSON response: its bill, the stored response of its Idempotency-Key, its headers."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from budgets.admission.interface import LimitStatus
from catalog.routing.resolve import Route
from gateway import runtime
from gateway.http.headers import addition_headers, call_headers, fallback_headers
from gateway.http.request import ClientGone, V1Request
from gateway.http.response import JSON, Headers, Response
from gateway.idempotency.store import IdempotencyClaim
from gateway.inference.outcomes import CLIENT_GONE, deployment_of, overhead_ms
from gateway.inference.route_planning import fallback_reason
from gateway.runtime import Runtime
from gateway.values.stop_reason import StopReason
from metering.journal.pending_close import CloseNotPersisted
from metering.meter import CallOutcome, Meter
from providers.call import Call


async def complete(request: V1Request, route: Route, meter: Meter, call: Call) -> Response:
    """Record the response and return it. Raises ClientGone if the client has left."""
    answered = call.answered
    assert answered is not None  # noqa: S101 - a call that is not a stream was answered
    has_left = request.client_left  # the response was still read to its end
    if call.unnoted and (request.claim is not None or not answered.is_known):
        # The close is not written in this step: a separate task does it, or the usage is counted first.
        meter.answered(call.target, call.unnoted)
    own_ms = overhead_ms(request)
    outcome = CallOutcome(
        status="cancelled" if has_left else "ok",
        http_status=CLIENT_GONE if has_left else 200,
        error_code=StopReason.CLIENT_DISCONNECTED.value if has_left else "",
        target=call.target,
        sheet=deployment_of(route, call.target.id).sheet,
        usage=answered.usage,
        produced=answered.produced,
        overhead_ms=own_ms,
    )
    closing = meter.close(outcome)
    live = runtime.current()
    claim, request.claim = request.claim, None
    if claim is None:
        request.standing = await closing
    else:  # from here on the call was made: it is not repeated, even after a disconnect
        assert meter.call is not None  # noqa: S101 - it was opened
        meter.call.task = None  # there is nothing left to stop
        request.standing = await live.running.run_to_completion(
            _close_and_keep(live, closing, claim, answered.body)
        )
    if has_left:
        raise ClientGone
    return Response(200, answered.body, [JSON, *response_headers(request, route, call, meter, own_ms)])


async def _close_and_keep(
    live: Runtime, closing: Coroutine[Any, Any, LimitStatus], claim: IdempotencyClaim, body: bytes
) -> LimitStatus:
    kept = None if live.config.retention.zero_retention else body
    try:
        standing = await closing
    except CloseNotPersisted:
        raise  # the worker that adopts the journal records how the call ended
    except Exception:  # the close is durable, even if settling failed: the call is never repeated
        await live.replays.complete(claim, 200, "application/json", kept)
        raise
    await live.replays.complete(claim, 200, "application/json", kept)
    return standing


def response_headers(request: V1Request, route: Route, call: Call, meter: Meter, own_ms: float) -> Headers:
    """Return X-Gateway-*; `own_ms` is the overhead as in the ledger."""
    request.facts.update(
        provider=call.target.provider, deployment=call.target.name, attempts=len(meter.attempts)
    )
    return [
        *call_headers(call.target.provider, call.target.name, len(meter.attempts), meter.cost_nanousd),
        *fallback_headers(call.target.alias, fallback_reason(route, call)),
        *addition_headers(call.set_by_gateway),
        (b"x-gateway-overhead-ms", f"{own_ms:.3f}".encode()),
    ]
