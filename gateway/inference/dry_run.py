"""Simulates a call without making it: its own key, route, limits and prices; nothing is reserved or sent.

Every check that can refuse a call before a provider is called runs here in the same order, by the same code.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import orjson

from budgets.admission import reserve
from budgets.admission.dry_run import BudgetPreview, DryRunAdmission, RatePreview
from budgets.admission.prompt_counts import ReservationRequest
from budgets.admission.reserve import Reservation
from budgets.rules import rules_for
from catalog.pricing.prices import cost
from catalog.routing.resolve import Route
from catalog.snapshot import Deployment
from gateway import runtime
from gateway.http.errors import ERRORS, response_for
from gateway.inference.call_context import CallContext
from gateway.inference.endpoint import Endpoint
from gateway.inference.routing.planning import EXPECTED_OUTPUT, deadline_of, resolve_route
from gateway.inference.token_counter import counter_for
from gateway.parsing.parsed_request import ParsedRequest
from gateway.runtime import Runtime
from gateway.values.money import usd
from gateway.values.timestamps import rfc3339
from metering.decision import skipped_rows
from providers.errors.exceptions import UpstreamFailed
from providers.tokens.prompt import count_prompt_in_process
from providers.usage import Usage
from tenants.auth import require_scope

REFUSALS: tuple[type[Exception], ...] = (*ERRORS, UpstreamFailed)
NOTE = (
    "Nothing was sent, counted or held. What is left of limits and budgets is a snapshot that running calls change; "
    "parallel calls are those of the process that answered; resets_in_ms is the longest wait. With several "
    "deployments the order is one draw: the next call may draw another."
)


async def dry_run(context: CallContext, live: Runtime, endpoint: Endpoint) -> dict[str, Any]:
    """Return the report on a call whose body is `context.body`."""
    caller = context.caller
    admission = DryRunAdmission(live.admission, partial(_running, live), time.time)
    report: dict[str, Any] = {
        "object": "gateway.simulation",
        "endpoint": endpoint.name,
        "model": None,
        "admitted": False,
        "refusal": None,
        "route": None,
        "cost": None,
        "output_cap": None,
        "clamped": False,
    }
    try:
        require_scope(caller, endpoint.scope)
        parsed = await endpoint.body.parse(context.body, context, live)
        report["model"] = parsed.alias
        deadline_of(context, live.config.server, streams=parsed.shape.stream)
        route = await resolve_route(context, live, parsed, endpoint.model_type, endpoint.dialect)
        report["route"] = _route(route, live)
        rules = rules_for(live.rulebook, caller)
        counter = counter_for(live, endpoint.dialect)  # no provider is asked
        ask = ReservationRequest(
            context.id, rules, route, parsed.demand, context.body, caller.tenant_id, counter
        )
        try:
            reservation = await reserve.reserve(admission, ask)
        except REFUSALS:
            report["cost"] = await _cost(context, admission, parsed, route, None)
            raise
        report |= {"admitted": True, "output_cap": reservation.output_cap, "clamped": reservation.is_clamped}
        report["cost"] = await _cost(context, admission, parsed, route, reservation)
    except REFUSALS as refusal:
        report["refusal"] = _refusal(refusal)
    return report | _limits_and_budgets(admission) | {"snapshot": {"at": rfc3339(time.time()), "note": NOTE}}


def _running(live: Runtime, scope: str) -> int:
    return sum(scope in (call.caller.key_scope, call.caller.tenant_scope) for call in live.in_flight)


def _refusal(error: Exception) -> dict[str, Any]:
    """Return the response that the call itself would get: its status and its envelope."""
    answer = response_for(error)
    return {"status": answer.status_code, **orjson.loads(answer.body)}


def _route(route: Route, live: Runtime) -> dict[str, Any]:
    alias = route.model.alias
    skipped = [
        {"model": each.alias, "deployment": each.deployment, "reason": each.why} for each in route.skipped
    ]
    skipped += [
        {"model": alias, "deployment": row.deployment, "reason": row.reason}
        for row in skipped_rows(alias, live.snapshot.problems)
    ]
    return {
        "strategy": route.model.strategy,
        "arm": route.arm or None,
        "fallback": route.reason if route.deployments[0].target.alias != alias else None,
        "deployments": [_deployment(each) for each in route.deployments],
        "instead": {
            reason: [_deployment(each) for each in several]
            for reason, several in route.fallbacks_by_reason.items()
            if reason != "unavailable"
        },
        "skipped": skipped,
        "all_are_resting": route.is_panic,
    }


def _deployment(deployment: Deployment) -> dict[str, Any]:
    target = deployment.target
    return {
        "model": target.alias,
        "deployment": target.name,
        "provider": target.provider,
        "upstream_model": target.upstream_model,
        "priority": deployment.priority,
        "weight": deployment.weight,
        "price_id": deployment.sheet.id,
    }


async def _cost(
    context: CallContext,
    admission: DryRunAdmission,
    parsed: ParsedRequest,
    route: Route,
    reservation: Reservation | None,
) -> dict[str, Any]:
    """Return the worst case, as it would be held, and the cost of a call of usual length at its first deployment."""
    first = route.deployments[0]
    share = runtime.current().heavy_work.share(context.caller.tenant_id)
    input_tokens = (await count_prompt_in_process(share, context.body, first.target.upstream_model)).tokens
    output_tokens = 0
    if parsed.demand.kind == "chat":
        caps = (
            parsed.demand.output_cap,
            reservation.output_cap if reservation is not None else None,
            route.max_output_tokens,
        )
        output_tokens = min([EXPECTED_OUTPUT, *(cap for cap in caps if cap is not None)]) * parsed.demand.n
    worst = admission.asked.hold_nanousd if admission.asked is not None else 0
    expected = cost(Usage(input_tokens=input_tokens, output_tokens=output_tokens), first.sheet)
    return {
        **_money("worst_case", worst),
        **_money("expected", expected),
        "expected_of": {
            "deployment": first.target.name,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
        },
    }


def _limits_and_budgets(admission: DryRunAdmission) -> dict[str, Any]:
    """Return every rule that was checked, and the one that has room for the fewest calls like this one."""
    previews: list[tuple[int | None, dict[str, Any]]] = [
        (preview.calls_left, _rate(preview)) for preview in admission.rates()
    ]
    limits = [facts for _, facts in previews]
    budgets = [(preview.calls_left, _budget(preview)) for preview in admission.budgets()]
    bound = [(left, facts) for left, facts in (*previews, *budgets) if left is not None]
    binding = min(bound, key=lambda pair: pair[0], default=None)
    return {
        "binding": None if binding is None else {**binding[1], "calls_left": binding[0]},
        "limits": limits,
        "budgets": [facts for _, facts in budgets],
    }


def _rate(preview: RatePreview) -> dict[str, Any]:
    return {
        "scope": preview.scope.partition(":")[0],
        "rule": preview.rule,
        "limit": preview.limit,
        "remaining": preview.remaining,
        "needed": preview.needed,
        "resets_in_ms": preview.resets_in_ms,
    }


def _budget(preview: BudgetPreview) -> dict[str, Any]:
    budget = preview.budget
    return {
        "scope": budget.scope.partition(":")[0],
        "rule": "budget",
        "schedule": budget.schedule,
        **_money("limit", budget.limit_nanousd),
        **_money("spent", budget.spent_nanousd),
        **_money("held", budget.held_nanousd),
        **_money("unsettled", budget.unsettled_nanousd),
        **_money("needed", preview.needed_nanousd),
        **_money("resets", budget.resets_nanousd),
        "resets_at": rfc3339(budget.resets_at),
    }


def _money(name: str, nanousd: int) -> dict[str, Any]:
    return {f"{name}_usd": usd(nanousd), f"{name}_nanousd": nanousd}
