"""POST /v1/messages/count_tokens: how long a prompt is, without making the call.

It costs no money and no tokens. It is one request of the rate limits, because it costs CPU, or a provider's own limit.
The first deployment whose provider can count is asked, then the next one (providers/native_count). Where none can, or
none answers, the number is an estimate by the vocabulary of the model's family, and says so.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpRequest
from ninja import Router

from budgets.admission.interface import AdmissionRequest, ScopeRules
from budgets.rules import rules_for
from catalog.routing.resolve import resolve
from gateway import runtime
from gateway.api.messages import ENDPOINT
from gateway.api.openapi_messages import COUNT_TOKENS
from gateway.http.headers import ESTIMATED
from gateway.http.response import Response, json_response
from gateway.inference.call_context import CallOptions
from gateway.inference.endpoint import JsonBody
from gateway.parsing.messages import peek_count
from gateway.runtime import Runtime
from providers.dialects.choice import MESSAGES
from providers.native_count.asking import Prompt, first_count
from providers.tokens.prompt import count_prompt_in_process
from tenants.auth import require_scope
from tenants.caller import Caller

router = Router(tags=["Messages"])
BODY = JsonBody(peek_count)


@router.post("/messages/count_tokens", openapi_extra=COUNT_TOKENS, operation_id="countMessageTokens")
async def count_tokens(request: HttpRequest) -> Response:
    """Count the tokens of a prompt. No money is spent or held."""
    return await _count(request)


async def _count(request: Any) -> Response:
    live, context = runtime.current(), request.context
    caller = context.caller
    require_scope(caller, ENDPOINT.scope)  # 403
    context.acquire_slot(live)  # 503
    context.body = await BODY.read(request, context, live)  # 413, 415, 503
    parsed = await BODY.parse(context.body, context, live)  # 400
    context.log_facts.update(
        endpoint="messages.count_tokens", model=parsed.alias, tenant=caller.tenant, key=caller.key_prefix
    )
    route = resolve(
        live.snapshot, parsed.alias, caller, model_type=ENDPOINT.model_type, health=live.health
    )  # 400, 403, 404, 503; whatever the length of the prompt
    await _count_request(live, context.id, caller)  # 429
    targets = [deployment.target for deployment in route.deployments]
    shape = msgspec.structs.replace(
        parsed.shape,
        salt=live.tenant_salts.for_tenant(caller.tenant_id),
        client_headers=CallOptions.of(request).client_headers,
        tools=parsed.demand.tools,
    )
    found = await first_count(live.transport, Prompt(context.body, shape, MESSAGES), targets)
    headers = [] if found is not None else [ESTIMATED]
    if found is None:
        share = live.heavy_work.share(caller.tenant_id)
        found = (await count_prompt_in_process(share, context.body, targets[0].upstream_model)).tokens
    context.limit_status = await context.read_limit_status()
    return json_response(200, {"input_tokens": found}, headers)


async def _count_request(live: Runtime, request_id: str, caller: Caller) -> None:
    """Take one request of the rate limits. Raises RateRefused, AdmissionUnavailable."""
    scopes = tuple([ScopeRules(each.scope, each.limits) for each in rules_for(live.rulebook, caller)])
    await live.admission.admit(AdmissionRequest(request_id, scopes, 0, 0))
    await live.admission.settle(request_id, 0, 0)
