"""The deployment that made what a request refers to: thinking of earlier turns, stored responses.

A history may hold thinking of several: of a fallback, or of another model that the client used between.
"""

from __future__ import annotations

from typing import Final

from catalog.routing.route import Pin
from catalog.snapshot import Model
from gateway.inference.call_context import CallContext
from gateway.inference.routing.translation import has_passthrough, models_of
from gateway.parsing.parsed_request import ParsedRequest
from gateway.runtime import Runtime
from providers.conversation.responses.state import owner_of_names
from providers.isolation.ownership import latest_owners

THINKING: Final = "the thinking in its history"


def pin_of(
    context: CallContext, live: Runtime, parsed: ParsedRequest, model: Model, client_api: str
) -> Pin | None:
    """Return the deployment that should answer; None: any may. Raises UnknownState.

    Where every deployment that may answer, those of its fallbacks too, is translated to, there is no state: each
    refuses by name what a request says of it.
    """
    if parsed.state and any(
        has_passthrough(client_api, each, has_tools=parsed.demand.tools)
        for each in models_of(live.snapshot, model)
    ):
        ownership = live.tenant_salts.for_tenant(context.caller.tenant_id).ownership
        named = owner_of_names(parsed.state, ownership)
        if named.is_required:
            return Pin(named.id, named.member, is_required=True)
    owners = tuple(dict.fromkeys(latest_owners(context.body)))
    return Pin(owners[0], THINKING, others=owners[1:]) if owners else None
