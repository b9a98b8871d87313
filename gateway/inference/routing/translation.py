"""Which deployments need a request translated, and what they cannot express: routing passes over those."""

from __future__ import annotations

from collections.abc import Callable

from catalog.snapshot import Model, Snapshot
from gateway.inference.call_context import CallContext
from gateway.parsing.large_bodies import refusal_of_work
from gateway.runtime import Runtime
from providers.conversation.parameters import Unfit, unfit
from providers.conversation.registry import CLIENTS, UPSTREAMS
from providers.dialects.choice import FACTORIES, upstream_api
from providers.dialects.large_requests import head_of
from providers.processes.work_process import WorkFailed
from providers.target import Target


def models_of(snapshot: Snapshot, model: Model) -> list[Model]:
    """Return the model and those of its fallbacks: any of them may answer."""
    several = [snapshot.models.get(alias) for aliases in model.fallbacks.values() for alias in aliases]
    return [model, *[each for each in several if each is not None]]


def has_translation(client_api: str, model: Model, *, has_tools: bool) -> bool:
    """Return whether a deployment of the model speaks another API than the client."""
    for deployment in model.deployments:
        if (client_api, upstream_api(client_api, deployment.target, has_tools=has_tools)) not in FACTORIES:
            return True
    return False


def has_passthrough(client_api: str, model: Model, *, has_tools: bool) -> bool:
    """Return whether a deployment of the model speaks the client's own API."""
    for deployment in model.deployments:
        if (client_api, upstream_api(client_api, deployment.target, has_tools=has_tools)) in FACTORIES:
            return True
    return False


async def read_head(context: CallContext, live: Runtime, client_api: str) -> None:
    """Read the head of a large conversation in another process. Raises Unacceptable, BadRequest, Overloaded."""
    tenant_id = context.caller.tenant_id
    share, salt = live.heavy_work.share(tenant_id), live.tenant_salts.for_tenant(tenant_id)
    try:
        context.conversation_head = await head_of(share, context.body, client_api, salt)
    except WorkFailed as fault:
        raise refusal_of_work(fault) from None


def unfit_at(
    context: CallContext, live: Runtime, client_api: str, *, has_tools: bool
) -> Callable[[Target], Unfit | None]:
    """Read the conversation, which the call then has, and return what finds a parameter that a target refuses.

    Raises Unacceptable.
    """
    if client_api not in CLIENTS:
        return _without_api(client_api)
    conversation = context.conversation_head
    if conversation is None:
        ownership = live.tenant_salts.for_tenant(context.caller.tenant_id).ownership
        conversation = context.conversation = CLIENTS[client_api].read(context.body, ownership)

    def find(target: Target) -> Unfit | None:
        api = upstream_api(client_api, target, has_tools=has_tools)
        if (client_api, api) in FACTORIES:
            return None
        return unfit(conversation, UPSTREAMS[api].parameters, target.facts)

    return find


def _without_api(client_api: str) -> Callable[[Target], Unfit | None]:
    """Return what finds targets that have no API for such requests (embeddings, for example)."""

    def find(target: Target) -> Unfit | None:
        is_known = (client_api, upstream_api(client_api, target, has_tools=False)) in FACTORIES
        return None if is_known else Unfit("model", f"serves no {client_api}")

    return find
