"""POST /v1/gateway/simulate: reports what would happen to a request, without making the call.

It is `{"endpoint": ..., "body": {...}}`, or the body itself; without `endpoint` the body's shape decides.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from gateway import runtime
from gateway.api import chat_completions, completions, embeddings, messages
from gateway.api.openapi import SIMULATE
from gateway.api.responses import create
from gateway.http.exceptions import BadRequest
from gateway.http.response import Response, json_response
from gateway.inference.call_context import CallOptions
from gateway.inference.dry_run import dry_run
from gateway.parsing.large_bodies import find_embedded

router = Router(tags=["Gateway"])
ENDPOINTS = {
    each.ENDPOINT.name: each.ENDPOINT
    for each in (chat_completions, completions, embeddings, messages, create)
}


@router.post("/gateway/simulate", openapi_extra=SIMULATE, operation_id="simulateCall")
async def simulate_call(request: HttpRequest) -> Response:
    """Report what would happen to a request: admitted or refused, where it would go, what it could cost.

    No provider is called, and nothing is counted or held. A call that would be refused is a report too (status 200).
    """
    return await _simulate(request)


async def _simulate(request: Any) -> Response:
    live, context, caller = runtime.current(), request.context, request.auth
    context.acquire_slot(live)  # 503: counting a long prompt costs CPU
    raw = await chat_completions.ENDPOINT.body.read(request, context, live)  # 400, 413, 415
    found = await find_embedded(raw, live.config.server, live.heavy_work.share(caller.tenant_id))
    context.body, context.options = raw[found.start : found.end], CallOptions.of(request)
    context.log_facts.update(endpoint="simulate", tenant=caller.tenant, key=caller.key_prefix)
    name = found.endpoint or ("embeddings" if found.is_embeddings else "chat.completions")
    endpoint = ENDPOINTS.get(name)
    if endpoint is None:
        raise BadRequest(f"'endpoint' must be one of {', '.join(ENDPOINTS)}.", "endpoint", "invalid_value")
    report = await dry_run(context, live, endpoint)
    context.limit_status = await context.read_limit_status()
    return json_response(200, report)
