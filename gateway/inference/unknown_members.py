"""Learns from a call that cost more than was held for it: its unknown members are refused there from now on.

Only under a budget, only at that deployment, until an administrator clears them.
"""

from __future__ import annotations

import logging
from functools import partial

from catalog.routing.resolve import Route
from gateway.runtime import Runtime
from gateway.values.fallback_log import FALLBACKS
from metering.journal.records import Close
from tenants.audit import Actor

logger = logging.getLogger(__name__)


def refuse_members(live: Runtime, route: Route, members: tuple[str, ...], close: Close) -> None:
    """Store them for the deployment that answered. Does not wait."""
    names = [member.rpartition(".")[2] for member in members]
    found = next((d for d in route.all_deployments if d.target.name == close.deployment), None)
    if found is not None:
        live.in_flight.run_in_background(_refuse(live, found.target.id, names, close.id))


async def _refuse(live: Runtime, deployment_id: int, names: list[str], request_id: str) -> None:
    from catalog.services import refuse_members as write  # noqa: PLC0415 - the hot path imports no models

    actor = Actor(f"call {request_id}")
    what = {"request_id": request_id, "deployment_id": deployment_id, "members": names}
    try:
        is_new = await live.database.run(partial(write, deployment_id, names, actor=actor))
    except Exception as error:  # the database is unavailable: the next such call tries again
        FALLBACKS.note("unknown_members", error)
        logger.exception("unknown_members.not_refused", extra=what)
        return
    if is_new:
        logger.error("unknown_members.refused", extra=what)
        live.config_watcher.notify()
