"""/healthz: the process is alive. /readyz: it can serve, else 503 with reasons; details for internal clients only."""

from __future__ import annotations

import time
from typing import Any

import orjson
from django.conf import settings

from gateway import runtime
from gateway.http.request import Scope, Send
from gateway.http.response import JSON, Headers, send_whole
from gateway.runtime import Runtime
from gateway.server.process_state import state_of
from gateway.site.internal_access import may_see
from gateway.supervisor.worker_state import State

LONGEST_TROUBLE = 120
METHODS = ("GET", "HEAD")


async def answer(scope: Scope, send: Send) -> None:
    """Respond to one of HEALTH_PATHS. Strangers get readiness and its reasons, internal clients the details too."""
    if scope["method"] not in METHODS:
        await _send_json(
            send, 405, {"status": "method not allowed"}, [(b"allow", ", ".join(METHODS).encode())]
        )
        return
    status, body = (200, {"status": "ok"}) if scope["path"] == "/healthz" else readiness()
    if not (len(body) == 1 or _is_insider(scope)):
        body = {name: body[name] for name in ("status", "reasons")}
    await _send_json(send, status, body, [])


async def _send_json(send: Send, status: int, body: dict[str, Any], more: Headers) -> None:
    await send_whole(send, status, [JSON, (b"cache-control", b"no-store"), *more], orjson.dumps(body))


def _is_insider(scope: Scope) -> bool:
    client = scope.get("client")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return may_see(settings.GATEWAY, client[0] if client else "", headers)


def readiness() -> tuple[int, dict[str, Any]]:
    """Return the status and body of /readyz, which are the same at every worker of a machine.

    Rows that disabled themselves are details, not reasons. Without a usable model it is not `ready`, but 200: no other
    machine is better, and the pages to add one are here.
    """
    if not runtime.is_open():
        return 503, {"status": "starting", "reasons": ["the gateway is starting or has stopped"]}
    live = runtime.current()
    state = _state(live)
    reasons = _reasons(live, state)
    status = "unready" if reasons else "ready"
    models = live.snapshot.serving
    if not (models or reasons):
        status = "no_model"
        wanting = "none of its models can answer" if live.snapshot.models else "it has no model yet"
        reasons = [f"no call can be answered: {wanting}"]
    body = {
        "status": status,
        "reasons": reasons,
        "checks": _checks(live, state) | {"models": len(models)},
        "problems": [
            {"alias": problem.alias, "deployment": problem.deployment, "reason": problem.reason}
            for problem in (*live.snapshot.problems, *live.failed_probes)
        ],
    }
    return (503 if status == "unready" else 200), body


def _late_jobs(live: Runtime) -> list[str]:
    """Return the periodic jobs that are overdue: where Celery is missing, all of them."""
    now = time.time()
    return [run.name for run in live.job_runs if run.is_late(now, live.serving_since)]


def _state(live: Runtime) -> State:
    """Return the state of all workers of this machine, or of this one alone where there is no supervisor's report."""
    whole = live.supervisor.state_of_all() if live.supervisor is not None else None
    return state_of(live) if whole is None else whole


def _reasons(live: Runtime, state: State) -> list[str]:
    """Return the reasons why it cannot serve."""
    found = []
    if live.is_leaving or live.is_draining:
        found.append("the gateway is shutting down")
    if not state.has_room:
        found.append("the disk is full: calls cannot be recorded")
    if not state.can_admit:
        found.append("Redis does not answer: limits cannot be checked, and no money is set aside")
    return found


def _checks(live: Runtime, state: State) -> dict[str, Any]:
    is_away = not (state.ships and state.is_database_up)
    checks = {
        "journal": "ok" if state.has_room else "full",
        "database": "ok" if state.is_database_up else "away, or late",
        "unshipped_records": state.unshipped,
        "oldest_unshipped_s": round(state.oldest_s, 1),
        "ledger": "the database is away; finished calls wait in the journal" if is_away else "ok",
        "catalog_version": live.snapshot.version,
    }
    if late := _late_jobs(live):
        checks["jobs"] = f"late: {', '.join(late)}"
    if not live.config.embedded:
        checks["redis"] = state.redis_trouble[:LONGEST_TROUBLE] or "ok"
    return checks
