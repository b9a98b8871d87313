"""Reads the routing inputs of a request - needs, hints, stickiness, deadline - and makes the plan of the call.

Cost: 2 us for an alias with one deployment and no special requirements.
"""

from __future__ import annotations

from typing import Final

import msgspec

from budgets.admission import reserve
from budgets.rules import rules_for
from catalog.routing import client_hints, resolve
from catalog.routing.capabilities import NOTHING, Requirements, requirements_for
from catalog.routing.experiments import arm_of
from catalog.routing.resolve import ANYTHING, ModelCannot, Route, RouteRequest
from catalog.snapshot import Experiment, Model
from gateway.config.sections.process import Server
from gateway.http.exceptions import BadRequest
from gateway.inference.call_context import CallContext
from gateway.inference.routing.pins import pin_of
from gateway.inference.routing.translation import has_translation, models_of, read_head, unfit_at
from gateway.parsing.parsed_request import Names, ParsedRequest, names_in
from gateway.runtime import Runtime
from providers.call import Call
from providers.conversation.registry import CLIENTS
from providers.resilience.plan import Deadline, Plan
from providers.tokens.prompt import count_prompt_in_process

MAX_TIMEOUT_MS = 600_000
EXPECTED_OUTPUT = 256  # tokens, for comparing prices when the client gives no cap
OTHER_TOKENIZER = 0.9  # a count is off by less than a tenth: a prompt that might fit is not refused


async def resolve_route(
    context: CallContext, live: Runtime, parsed: ParsedRequest, model_type: str, client_api: str
) -> Route:
    """Return where the call may go. Raises what routing.resolve raises, and BadHint."""
    caller, snapshot = context.caller, live.snapshot
    model = snapshot.models.get(parsed.alias)
    is_large = parsed.shape.layout is not None
    if is_large and model is not None and client_api in CLIENTS:
        several, has_tools = models_of(live.snapshot, model), parsed.demand.tools
        if any(has_translation(client_api, each, has_tools=has_tools) for each in several):
            await read_head(context, live, client_api)
    route_request = ANYTHING if model is None else _route_request(context, live, parsed, model, client_api)
    try:
        return resolve.resolve(
            snapshot,
            parsed.alias,
            caller,
            model_type=model_type,
            request=route_request,
            health=live.health,
        )
    except ModelCannot as refusal:
        if not refusal.is_window:
            raise
    # By its bytes the prompt is too long for every model: count it before refusing it.
    counted = await count_prompt_in_process(
        live.heavy_work.share(caller.tenant_id), context.body, parsed.alias
    )
    need = msgspec.structs.replace(
        route_request.requirements, prompt_tokens=int(counted.tokens * OTHER_TOKENIZER)
    )
    route_request = msgspec.structs.replace(route_request, requirements=need)
    return resolve.resolve(
        snapshot, parsed.alias, caller, model_type=model_type, request=route_request, health=live.health
    )


# How client APIs name the prompt and the form of the response, where it is not as in chat.
_MEMBERS: Final = {
    "completions": ("prompt", "response_format"),
    "messages": ("messages", "output_config.format"),
    "responses": ("input", "text.format"),
}


def make_plan(route: Route, deadline: Deadline) -> Plan:
    """Return the targets of a route with the time that is left for them."""
    instead = {
        reason: [deployment.target for deployment in several]
        for reason, several in route.fallbacks_by_reason.items()
    }
    return Plan(
        targets=[deployment.target for deployment in route.deployments],
        fallbacks_by_reason=instead,
        is_panic=route.is_panic,
        deadline=deadline,
    )


def deadline_of(context: CallContext, server: Server, *, streams: bool) -> Deadline:
    """Return when the call must be over: the server's rule, or sooner if the client requested it. Raises BadRequest."""
    most = server.stream_max_duration if streams else server.sync_timeout
    asked = context.options.timeout_ms
    if not asked:
        return Deadline(context.received_at + most, most)
    if not (asked.isascii() and asked.isdigit() and len(asked) < 9 and 1 <= int(asked) <= MAX_TIMEOUT_MS):  # noqa: PLR2004 - digits
        raise BadRequest(
            f"X-Request-Timeout-Ms is a whole number of milliseconds from 1 to {MAX_TIMEOUT_MS:,}.",
            "X-Request-Timeout-Ms",
        )
    seconds = int(asked) / 1000
    allowed = min(seconds, most)
    return Deadline(context.received_at + allowed, allowed, is_clients=seconds <= most)


def fallback_reason(route: Route, call: Call) -> str:
    """Return why another alias than the requested one answered; "" if it was that one."""
    target = call.target
    if target.alias == route.model.alias:
        return ""
    last = call.attempts[-2].outcome if len(call.attempts) > 1 else ""
    if last == "upstream_refused":
        for reason in ("context_window", "content_filter"):
            if any(
                deployment.target.id == target.id for deployment in route.fallbacks_by_reason.get(reason, ())
            ):
                return reason
    return route.reason


def _route_request(
    context: CallContext, live: Runtime, parsed: ParsedRequest, model: Model, client_api: str
) -> RouteRequest:
    hint = client_hints.parse(context.options.route_hint, model)
    need = _requirements(context, live, parsed, model, client_api)
    sticky_key = _sticky_key(context, parsed, model) if model.sticky else ""
    is_by_cost = model.strategy == "cost" or (hint is not None and hint.strategy == "cost")
    arm = (
        _experiment_arm(context, parsed, model.experiment, model.alias)
        if model.experiment is not None and hint is None
        else ""
    )
    pin = pin_of(context, live, parsed, model, client_api)
    if hint is None and need is NOTHING and not sticky_key and not is_by_cost and not arm and pin is None:
        return ANYTHING
    expected = (reserve.prompt_estimate(parsed.demand).tokens, parsed.demand.output_cap or EXPECTED_OUTPUT)
    return RouteRequest(
        requirements=need,
        hints=hint,
        sticky_key=sticky_key,
        pin=pin,
        arm=arm,
        expected=expected if is_by_cost else (0, 0),
    )


def _requirements(
    context: CallContext, live: Runtime, parsed: ParsedRequest, model: Model, client_api: str
) -> Requirements:
    models, demand = models_of(live.snapshot, model), parsed.demand
    is_one = demand.kind == "chat" and demand.inputs == 1  # others may carry many prompts
    estimate = reserve.prompt_estimate(demand).tokens if is_one else None
    asked = Requirements(modalities=demand.modalities, tools=demand.tools, json_schema=demand.json_schema)
    need = requirements_for(asked, len(context.body), models, estimate)
    if need is not NOTHING and (names := _MEMBERS.get(client_api)) is not None:
        prompt, schema = names
        need = msgspec.structs.replace(need, prompt_member=prompt, schema_member=schema)
    if any(has_translation(client_api, each, has_tools=demand.tools) for each in models):
        need = msgspec.structs.replace(
            need, unfit=unfit_at(context, live, client_api, has_tools=demand.tools)
        )
    if not parsed.demand.unknown:
        return need
    is_kept = any(rule.budgets for rule in rules_for(live.rulebook, context.caller))
    return msgspec.structs.replace(need, members=parsed.demand.unknown, keeps_money=is_kept)


def _experiment_arm(context: CallContext, parsed: ParsedRequest, experiment: Experiment, alias: str) -> str:
    """Return the arm of this caller; a call without a user counts by its tenant. Calls with hints take no part."""
    subject = str(context.caller.tenant_id)
    if experiment.by == "user":
        user = _client_names(context, parsed).user
        subject = f"{subject}:{user}" if user else subject
    return arm_of(experiment, alias, subject)


def _sticky_key(context: CallContext, parsed: ParsedRequest, model: Model) -> str:
    """Return the value that always selects the same deployment; tenants never share one."""
    names = _client_names(context, parsed)
    value = names.user if model.sticky == "user" else names.prompt_cache_key
    return f"{context.caller.tenant_id}:{value}" if value else ""


def _client_names(context: CallContext, parsed: ParsedRequest) -> Names:
    return names_in(context.body) if parsed.names is None else parsed.names
