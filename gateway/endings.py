"""How a call that did not simply go well is recorded: nobody answered, or the client left; and which prices it has."""

from __future__ import annotations

import time
from typing import Any

from catalog.routing import Route
from catalog.snapshot import Deployment
from gateway.headers import of_call
from gateway.request import V1Request
from metering.meter import Ending, Meter
from metering.unsettled import is_unknown
from providers.failures import UpstreamFailed
from providers.upstream import Attempt, Call


async def failed(request: V1Request, meter: Meter, route: Route, failure: UpstreamFailed) -> None:
    """Record a call that no deployment answered: a row if a provider saw it, nothing if none could be reached.

    What a provider did that went silent nobody knows: it is billed as estimated, and unsettled.
    """
    request.extra_headers += of_call(failure.provider, failure.deployment, len(meter.attempts), None)
    if not failure.reached:
        await meter.void()
        return
    lost = _lost(meter)
    deployment = _deployment(route, (lost.alias, lost.deployment) if lost else failure.target_id)
    ending = Ending(
        status="error",
        http_status=_status_seen(request, failure.answer_status),
        error_code=failure.code,
        target=deployment.target,
        sheet=deployment.sheet,
        is_billed=lost is not None or failure.code == "internal_error",
    )
    request.standing = await meter.close(ending)


async def cancelled(meter: Meter, route: Route, code: str) -> None:
    """Record that the client left before anything came back, nothing if no provider saw the call.

    Who was working on it may bill it, so that is estimated and unsettled; who had refused before bills nothing.
    """
    last = meter.attempts[-1] if meter.attempts else None
    if last is None or not any(attempt.reached for attempt in meter.attempts):
        await meter.void()
        return
    lost = _lost(meter)
    at = lost or last
    deployment = _deployment(route, (at.alias, at.deployment))
    await meter.close(
        Ending(
            status="cancelled",
            http_status=499,
            error_code=code,
            target=deployment.target,
            sheet=deployment.sheet,
            is_billed=lost is not None,
        )
    )


def ending_of(route: Route, call: Call, waited_s: float, received_at: float, **how: Any) -> Ending:
    deployment = _deployment(route, call.target.id)
    overhead = 0.0 if call.stream is not None else time.perf_counter() - received_at - waited_s
    return Ending(target=call.target, sheet=deployment.sheet, overhead_ms=round(overhead * 1000, 3), **how)


def _lost(meter: Meter) -> Attempt | None:
    """Return the last try whose outcome nobody knows."""
    return next((attempt for attempt in reversed(meter.attempts) if is_unknown(attempt)), None)


def _deployment(route: Route, which: int | tuple[str, str]) -> Deployment:
    """Return the deployment of this id, or alias and name, or the first when none was tried."""
    return next(
        (d for d in route.every if which in (d.target.id, (d.target.alias, d.target.name))),
        route.deployments[0],
    )


def _status_seen(request: V1Request, status: int) -> int:
    """Return the status the client saw: a stream that began with a heartbeat has said 200 already."""
    return 200 if request.pulse is not None and request.pulse.has_begun else status
