"""/healthz: the process lives. /readyz: it can serve, else 503 with the reasons; details only for insiders."""

from __future__ import annotations

from typing import Any

import orjson
from django.conf import settings

from gateway import connections
from gateway.answer import Headers
from gateway.insiders import may_see
from gateway.request import Scope, Send

PATHS = frozenset({"/healthz", "/readyz"})
METHODS = ("GET", "HEAD")


async def answer(scope: Scope, send: Send) -> None:
    """Answer one of PATHS. Strangers learn whether it can serve and why not, insiders the details too."""
    if scope["method"] not in METHODS:
        await _say(send, 405, {"status": "method not allowed"}, [(b"allow", ", ".join(METHODS).encode())])
        return
    status, body = (200, {"status": "ok"}) if scope["path"] == "/healthz" else readiness()
    if not (len(body) == 1 or _is_insider(scope)):
        body = {name: body[name] for name in ("status", "reasons")}
    await _say(send, status, body, [])


async def _say(send: Send, status: int, body: dict[str, Any], more: Headers) -> None:
    raw = orjson.dumps(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(raw)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})


def _is_insider(scope: Scope) -> bool:
    client = scope.get("client")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return may_see(settings.GATEWAY, client[0] if client else "", headers)


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
