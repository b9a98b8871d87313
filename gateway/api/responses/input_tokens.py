"""POST /v1/responses/input_tokens: counts a prompt. Free; where the provider cannot count, it is an estimate."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from django.http import HttpRequest
from ninja import Router

from gateway import runtime
from gateway.api.openapi import RESPONSES as SCHEMA
from gateway.http.headers import ESTIMATED
from gateway.http.response import JSON, Response, json_response
from gateway.inference.call_context import CallOptions
from gateway.inference.endpoint import JsonBody
from gateway.inference.provider_request import ask
from gateway.inference.routing.planning import resolve_route
from gateway.parsing.responses_body import peek_input_tokens
from providers.dialects.choice import upstream_api
from providers.dialects.responses.request import body_for
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
    target = route.deployments[0].target
    if upstream_api(API, target, has_tools=parsed.demand.tools) != "openai_responses":
        share = live.heavy_work.share(caller.tenant_id)
        counted = await count_prompt_in_process(share, raw, target.upstream_model)
        document = {"object": "response.input_tokens", "input_tokens": counted.tokens}
        return json_response(200, document, [ESTIMATED])
    salt = live.tenant_salts.for_tenant(caller.tenant_id)
    shape = msgspec.structs.replace(parsed.shape, salt=salt)
    body = body_for(shape, raw, target, has_cap=False, names_cache=False)
    answer = await ask(live.transport, target, "POST", parsed.shape.path, body, request_id=context.id)
    return Response(200, answer, [JSON])
