"""Records calls that did not succeed: no deployment answered, or the client disconnected; and finds their prices."""

from __future__ import annotations

from budgets.admission.interface import LimitStatus
from catalog.pricing.prices import PriceSheet
from catalog.routing.resolve import Route
from catalog.snapshot import Deployment
from gateway.http.headers import call_headers
from gateway.inference.call_context import CallContext
from gateway.values.stop_reason import StopReason
from metering.attempt_costs import may_cost
from metering.explain.routing_text import in_short
from metering.meter import CallOutcome, Meter
from providers.errors.exceptions import UpstreamFailed
from providers.upstream import Attempt

CLIENT_GONE = 499  # nginx's: no client was left to see a status
NOTHING = LimitStatus()


async def record_failure(context: CallContext, meter: Meter, route: Route, failure: UpstreamFailed) -> None:
    """Record a call that no deployment answered: a row if a provider received it, nothing if none could be reached.

    If a provider stopped responding, its work is unknown: it is billed as estimated, and unsettled.
    """
    context.headers += call_headers(failure.provider, failure.deployment, len(meter.attempts), None)
    context.log_facts.update(attempts=len(meter.attempts), tried=in_short(meter.attempts, route.model.alias))
    if not failure.reached:
        await record_void(context, meter)
        return
    last = _last_sent(meter)
    is_billed = failure.code == "internal_error" if last is None else _is_billed(last)
    which = (last.alias, last.deployment) if last is not None and is_billed else failure.target_id
    deployment = deployment_of(route, which)
    usage = last.usage if last is not None else None
    outcome = CallOutcome(
        status="error",
        http_status=_status_seen(context, failure.answer_status),
        error_code=failure.code,
        target=deployment.target,
        sheet=deployment.sheet,
        usage=usage if usage is not None else failure.partial_usage,
        is_final_usage=usage is not None,
        is_billed=is_billed,
        overhead_ms=meter.overhead_ms(),
    )
    context.limit_status = await meter.close(outcome)


async def record_cancellation(
    context: CallContext,
    meter: Meter,
    route: Route,
    reason: StopReason = StopReason.CLIENT_DISCONNECTED,
    status: int = CLIENT_GONE,
) -> None:
    """Record a call that ended before any response: its client disconnected, or the gateway stopped it and answers with
    this code and status. Nothing is recorded if no provider received the call.

    A provider that was working on it may bill it, so that is estimated and unsettled; one that refused bills nothing.
    """
    context.log_facts.update(attempts=len(meter.attempts), tried=in_short(meter.attempts, route.model.alias))
    last = _last_sent(meter)
    if last is None:
        await record_void(context, meter)
        return
    deployment = deployment_of(route, (last.alias, last.deployment))
    outcome = CallOutcome(
        status="cancelled",
        http_status=_status_seen(context, status) if status != CLIENT_GONE else status,
        error_code=reason.value,
        target=deployment.target,
        sheet=deployment.sheet,
        usage=last.usage,
        is_billed=_is_billed(last),
        overhead_ms=meter.overhead_ms(),
    )
    context.limit_status = await meter.close(outcome)


async def record_void(context: CallContext, meter: Meter) -> None:
    """Discard a call that no provider received; its response headers show the limits without its hold."""
    limit_status = await meter.void()
    context.limit_status = limit_status if limit_status != NOTHING else None


def internal_error() -> UpstreamFailed:
    """Return the failure for the row of a call that a defect of ours ended, and whose client received a 500."""
    failure = UpstreamFailed("internal error", code="internal_error")
    failure.answer_status = 500
    return failure


def _last_sent(meter: Meter) -> Attempt | None:
    """Return the last attempt that reached a provider: the outcome describes it; the meter adds all others."""
    return next((attempt for attempt in reversed(meter.attempts) if attempt.reached), None)


def _is_billed(last: Attempt) -> bool:
    """Return whether it may be billed; without a usage it is then estimated. An HTTP error used nothing."""
    return may_cost(last) or last.outcome == "ok"


def deployment_of(route: Route, which: int | tuple[str, str]) -> Deployment:
    """Return the deployment with this id, or alias and name, or the first if none was tried."""
    return next(
        (d for d in route.all_deployments if which in (d.target.id, (d.target.alias, d.target.name))),
        route.deployments[0],
    )


def sheet_of(route: Route, attempt: Attempt) -> PriceSheet:
    """Return the price sheet of an attempt."""
    return deployment_of(route, (attempt.alias, attempt.deployment)).sheet


def _status_seen(context: CallContext, status: int) -> int:
    """Return the status the client received: a stream that began with a heartbeat has already sent 200."""
    return 200 if context.writer is not None and context.writer.has_begun else status
