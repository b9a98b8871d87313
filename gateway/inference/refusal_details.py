"""Details of a refusal for the operator, not for the client: which deployments were considered, what is wrong with a
key, whose list lacks a model. Built for calls that the request log keeps, after their response.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from catalog.routing.considered import considered

if TYPE_CHECKING:
    from catalog.snapshot import Snapshot
    from gateway.http.request import V1Request
    from gateway.inference.call_context import CallContext
    from tenants.caller import Caller

OF_ROUTING: Final = frozenset(
    {
        "model_unpriced",
        "model_cannot",
        "context_length_exceeded",
        "no_deployment_available",
        "upstream_rate_limited",
    }
)


def figures_of(
    request: V1Request, context: CallContext, code: str, model: str, snapshot: Snapshot
) -> dict[str, Any]:
    """Return the details that are logged in addition to the figures of the error itself."""
    if code in OF_ROUTING and context.meter is None:
        return {"considered": considered(snapshot, model, context.refusal.passed_over)}
    if code == "model_not_found":
        return {"model": {"is": "disabled" if model in snapshot.disabled else "unknown"}}
    if code == "model_not_allowed":
        return {"not_in": _lists_without(context.caller_if_known, model)}
    if code == "invalid_api_key":
        return {"key": {"is": _state_of_key(request, context)}}
    return {}


def _lists_without(caller: Caller | None, model: str) -> list[str]:
    lists = {} if caller is None else {"key": caller.models, "tenant": caller.tenant_models}
    return [owner for owner, allowed in lists.items() if allowed is not None and model not in allowed]


def _state_of_key(request: V1Request, context: CallContext) -> str:
    caller = context.refusal.caller or context.caller_if_known
    if caller is not None:
        return "expired" if caller.expires_at is not None and caller.expires_at <= time.time() else "ended"
    if context.refusal.prefix:
        return "unknown"
    sent = any(request.header(name) for name in (b"authorization", b"x-api-key", b"api-key"))
    return "odd" if sent else "none"
