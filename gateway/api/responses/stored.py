"""GET and DELETE /v1/responses/{id}, POST .../cancel, GET .../input_items: they go to the deployment that made it.

Not billed. An id that is not this tenant's, whatever is wrong with it, does not exist (404).
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

from django.http import HttpRequest
from ninja import Router

from catalog.routing.route import Pin, StateOwnerUnavailable
from gateway import runtime
from gateway.http.exceptions import BadRequest
from gateway.http.response import JSON, Response
from gateway.inference.provider_request import ask
from gateway.runtime import Runtime
from providers.conversation.responses.state import UnknownState
from providers.dialects.choice import upstream_api
from providers.dialects.responses.marks import Marker, Marks
from providers.errors.exceptions import UpstreamBroken, UpstreamStatus
from providers.isolation.ownership import Owned, Ownership
from providers.isolation.tenant_salt import MEMBERS
from providers.json_scan.limits import MalformedAnswer
from providers.target import Target
from tenants.auth import require_scope
from tenants.caller import Caller

router = Router(tags=["Responses"])
_ID: Final = "response_id"
_QUERY: Final = ("include", "include[]", "limit", "order")
_ITEMS: Final = ("after", "before")  # name an item
_SALTED: Final = dict.fromkeys(MEMBERS, b"null")  # what was sent for them is not the client's
_NOT_FOUND: Final = 404


@router.get("/responses/{response_id}", operation_id="retrieveResponse")
async def retrieve_response(request: HttpRequest, response_id: str) -> Response:
    """Return a stored response."""
    return await _forward(request, response_id, "GET")


@router.api_operation(["DELETE"], "/responses/{response_id}", operation_id="deleteResponse")
async def delete_response(request: HttpRequest, response_id: str) -> Response:
    """Delete a stored response."""
    return await _forward(request, response_id, "DELETE")


@router.post("/responses/{response_id}/cancel", operation_id="cancelResponse")
async def cancel_response(request: HttpRequest, response_id: str) -> Response:
    """Cancel a response. Responses in the background are not served, so there is none that a provider could cancel."""
    return await _forward(request, response_id, "POST", "/cancel")


@router.get("/responses/{response_id}/input_items", operation_id="listResponseInputItems")
async def list_input_items(request: HttpRequest, response_id: str) -> Response:
    """Return the items that a stored response answered."""
    return await _forward(request, response_id, "GET", "/input_items")


async def _forward(request: Any, response_id: str, method: str, below: str = "") -> Response:
    live, context, caller = runtime.current(), request.context, request.auth
    context.limit_status = await context.read_limit_status()
    context.log_facts.update(endpoint="responses.stored", tenant=caller.tenant, key=caller.key_prefix)
    require_scope(caller, "chat")  # 403
    context.acquire_slot(live)  # 503
    ownership = live.tenant_salts.for_tenant(caller.tenant_id).ownership
    owned = ownership.read_id(response_id)
    if owned is None:
        raise UnknownState(_ID)
    target = _owner(live, caller, owned)
    query = _query(request, ownership)
    path = f"responses/{quote(owned.text, safe='')}{below}"
    try:
        raw = await ask(live.transport, target, method, path, query=query, request_id=context.id)
        marker = Marker(Marks(alias=target.alias, owner=target.id, ownership=ownership, own=_SALTED))
        marked = marker.item_list(raw) if below == "/input_items" else marker.response(raw)
    except UpstreamStatus as refusal:
        if refusal.status == _NOT_FOUND:
            raise UnknownState(_ID) from None
        raise
    except MalformedAnswer as fault:
        raise UpstreamBroken(str(fault)) from fault
    return Response(200, marked, [JSON])


def _owner(live: Runtime, caller: Caller, owned: Owned) -> Target:
    """Return the deployment that has it. Raises UnknownState, StateOwnerUnavailable."""
    own = [target for target in live.snapshot.targets if target.accepts_state_of(owned.owner)]
    own = [each for each in own if upstream_api("responses", each, has_tools=False) == "openai_responses"]
    if not own:
        raise StateOwnerUnavailable("", Pin(owned.owner, _ID, is_required=True))
    allowed = [target for target in own if caller.may_use(target.alias)]
    if not allowed:
        raise UnknownState(_ID)
    return next((target for target in allowed if target.id == owned.owner), allowed[0])


def _query(request: Any, ownership: Ownership) -> str:
    """Return the query for the provider, with its own ids. Raises BadRequest, UnknownState."""
    given = request.GET
    if given.get("stream", "").lower() in {"true", "1"}:
        raise BadRequest("A stored response is not streamed.", "stream")
    pairs = [(name, value) for name in _QUERY for value in given.getlist(name)]
    for name in _ITEMS:
        for value in given.getlist(name):
            owned = ownership.read_id(value)
            if owned is None:
                raise UnknownState(name)
            pairs.append((name, owned.text))
    return urlencode(pairs)
