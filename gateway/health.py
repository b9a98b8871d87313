"""/healthz: the process lives. /readyz: it can serve, else 503 with the reasons. No Django, no authentication."""

from __future__ import annotations

from typing import Any

import orjson

from gateway import connections
from gateway.request import Send

PATHS = frozenset({"/healthz", "/readyz"})


async def answer(path: str, send: Send) -> None:
    """Answer one of PATHS."""
    status, body = (200, {"status": "ok"}) if path == "/healthz" else readiness()
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


def readiness() -> tuple[int, dict[str, Any]]:
    """Return the status and what /readyz says. Rows that disabled themselves are details, not reasons."""
    if not connections.is_open():
        return 503, {"status": "starting", "reasons": ["the gateway is starting or has stopped"]}
    live = connections.live()
    reasons = []
    if live.is_leaving or live.is_draining:
        reasons.append("the gateway is shutting down")
    if not live.journal.has_room:
        reasons.append("the disk is full: calls cannot be recorded")
    waits = "the database is away; finished calls wait in the journal" if live.shipper.failures else "ok"
    checks = {
        "journal": "ok" if live.journal.has_room else "full",
        "unshipped_records": live.journal.unshipped_records,
        "ledger": waits,
        "catalog_version": live.snapshot.version,
        "models": len(live.snapshot.models),
    }
    problems = [
        {"alias": problem.alias, "deployment": problem.deployment, "reason": problem.reason}
        for problem in live.snapshot.problems
    ]
    body = {
        "status": "unready" if reasons else "ready",
        "reasons": reasons,
        "checks": checks,
        "problems": problems,
    }
    return (503 if reasons else 200), body
