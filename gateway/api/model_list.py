"""GET /v1/models and GET /v1/models/{id}: models the caller may use and that can serve. Costs no limit, needs no scope.

A model that cannot serve as configured (no deployment with an address, a key and a price; no endpoint for its type) is
not listed; the second returns the error of its calls. A model whose deployments are paused after failures is listed.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from catalog.routing.resolve import ModelNotFound, suggestion, unservable
from catalog.snapshot import Model
from gateway import runtime
from gateway.api import anthropic_models
from gateway.http.client_api import ANTHROPIC
from gateway.http.response import Response, json_response
from gateway.observability.log_format import cut
from tenants.caller import Caller

router = Router(tags=["Models"])


@router.get("/models", operation_id="listModels")
async def model_list(request: HttpRequest) -> Response:
    """List the aliases that this key may use.

    With the header `anthropic-version` in Anthropic's shape, in pages (`limit`, `after_id`, `before_id`).
    """
    caller = await _caller(request)
    models = [m for m in runtime.current().snapshot.serving.values() if caller.may_use(m.alias)]
    if _is_anthropics(request):
        return json_response(200, anthropic_models.page(models, request.GET))
    return json_response(200, {"object": "list", "data": [_document(model) for model in models]})


@router.get("/models/{path:model}", operation_id="retrieveModel")
async def model_detail(request: HttpRequest, model: str) -> Response:
    """Describe one alias. A model that cannot answer is refused as its calls are."""
    caller = await _caller(request)
    snapshot = runtime.current().snapshot
    request.context.log_facts["model"] = cut(model)  # type: ignore[attr-defined]
    found = snapshot.models.get(model)
    if found is None or not caller.may_use(model):
        raise ModelNotFound(model, suggestion(snapshot, model, caller))
    if model not in snapshot.serving:
        raise unservable(found)
    return json_response(
        200, anthropic_models.document(found) if _is_anthropics(request) else _document(found)
    )


def _is_anthropics(request: Any) -> bool:
    return request.context.client_api is ANTHROPIC


async def _caller(request: Any) -> Caller:
    caller: Caller = request.auth
    context = request.context
    context.limit_status = await context.read_limit_status()
    context.log_facts.update(endpoint="models", tenant=caller.tenant, key=caller.key_prefix)
    return caller


def _document(model: Model) -> dict[str, Any]:
    return {"id": model.alias, "object": "model", "created": model.created, "owned_by": model.owned_by}
