"""The limit status of a caller, for the headers of responses that are not calls."""

from __future__ import annotations

from budgets.admission.interface import AdmissionUnavailable, LimitStatus
from budgets.rules import rules_for
from gateway import runtime
from gateway.values.fallback_log import FALLBACKS
from tenants.caller import Caller


async def standing_of(caller: Caller) -> LimitStatus | None:
    """Return a caller's limit status, for responses that are not calls; None if it is unavailable now."""
    live = runtime.current()
    try:
        return await live.admission.status(rules_for(live.rulebook, caller))
    except AdmissionUnavailable as away:
        FALLBACKS.note("standing_headers", away)
        return None
