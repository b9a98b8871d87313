"""POST /v1/responses/input_tokens: counts a prompt. Free; where the provider cannot count, it is an estimate."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from django.http import HttpRequest
from ninja import Router

from gateway import runtime
from gateway.api.openapi import RESPONSES as SCHEMA
from gateway.http.headers import ESTIMATED
from gateway.http.response import Response, json_response
from gateway.inference.call_context import CallOptions
from gateway.inference.endpoint import JsonBody
from gateway.inference.routing.planning import resolve_route
from gateway.parsing.responses_body import peek_input_tokens
from providers.native_count.asking import Prompt, first_count
from providers.tokens.prompt import count_prompt_in_process
from tenants.auth import require_scope

router = Router(tags=["Responses"])
BODY: Final = JsonBody(peek_input_tokens)
API: Final = "responses"


@router.post("/responses/input_tokens", openapi_extra=SCHEMA, operation_id="countResponseInputTokens")
async def count_input_tokens(request: HttpRequest) -> Response:
    """Count the tokens of a prompt. Nothing is reserved or billed."""
    return await _count(request)


async def _count(request: Any) -> Response:
    live, context, caller = runtime.current(), request.context, request.auth
    require_scope(caller, "chat")  # 403
    context.acquire_slot(live)  # 503
    raw = context.body = await BODY.read(request, context, live)  # 413, 415, 503
    context.options = CallOptions.of(request)
    parsed = await BODY.parse(raw, context, live)  # 400
    context.log_facts.update(
        endpoint="responses.input_tokens", model=parsed.alias, tenant=caller.tenant, key=caller.key_prefix
    )
    route = await resolve_route(context, live, parsed, "llm", API)  # 400, 403, 404, 503
    context.limit_status = await context.read_limit_status()
    targets = [deployment.target for deployment in route.deployments]
    salt = live.tenant_salts.for_tenant(caller.tenant_id)
    shape = msgspec.structs.replace(parsed.shape, salt=salt, tools=parsed.demand.tools)
    found = await first_count(live.transport, Prompt(raw, shape, API, context.conversation), targets)
    headers = [] if found is not None else [ESTIMATED]
    if found is None:
        share = live.heavy_work.share(caller.tenant_id)
        found = (await count_prompt_in_process(share, raw, targets[0].upstream_model)).tokens
    return json_response(200, {"object": "response.input_tokens", "input_tokens": found}, headers)
