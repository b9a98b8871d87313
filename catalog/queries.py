"""Reads of the catalog for pages and the operators' API: how every deployment is doing. Blocking: two small queries."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.db.models import Max

from catalog.health import OFFLINE, UNKNOWN, state_of
from catalog.models import Deployment, HealthProbe
from gateway import connections

STALE_ROUNDS = 3  # a probe older than this many rounds says nothing any more


class Doing(msgspec.Struct, frozen=True, kw_only=True):
    """How one deployment is doing, as `GET /admin/providers/health` shows it."""

    id: int
    provider: str
    deployment: str
    alias: str
    state: str  # online | degraded | offline | unknown
    since: datetime | None
    last_probe_at: datetime | None
    latency_ms: float | None
    error: str


def provider_health(now: datetime) -> list[Doing]:
    """Return how every enabled deployment is doing: the last probe of its place, and this process's own traffic."""
    probes = _probes(now)
    traffic = _traffic()
    rows = (
        Deployment.objects.filter(enabled=True, removed=False, model__enabled=True, model__removed=False)
        .select_related("model")
        .order_by("model__alias", "priority", "pk")
    )
    return [_doing(row, probes.get(row.pk), traffic.get(row.pk, ("", ""))) for row in rows]


def _doing(row: Deployment, probe: HealthProbe | None, traffic: tuple[str, str]) -> Doing:
    seen, reason = traffic
    state = state_of(probe.state if probe is not None else UNKNOWN, seen)
    agrees = probe is not None and probe.state == state
    return Doing(
        id=row.pk,
        provider=row.provider,
        deployment=row.name,
        alias=row.model.alias,
        state=OFFLINE if row.problem else state,
        since=probe.since if probe is not None and agrees else None,
        last_probe_at=probe.at if probe is not None else None,
        latency_ms=probe.latency_ms if probe is not None else None,
        error=row.problem or (probe.error if probe is not None and agrees else reason),
    )


def _probes(now: datetime) -> dict[int, HealthProbe]:
    """Return the newest probe by the id of each deployment it stands for."""
    rounds = timedelta(seconds=STALE_ROUNDS * settings.GATEWAY.health.check_interval)
    newest = HealthProbe.objects.filter(at__gte=now - rounds).values("place").annotate(last=Max("pk"))
    rows = HealthProbe.objects.filter(pk__in=[row["last"] for row in newest]).order_by("pk")
    return {deployment: row for row in rows for deployment in row.deployments}


def _traffic() -> dict[int, tuple[str, str]]:
    """Return what this process's own calls say: state and reason by deployment, where there were any."""
    health = getattr(connections.live(), "health", None) if connections.is_open() else None
    if health is None:
        return {}
    return {
        seen.id: (seen.state, seen.reason)
        for seen in health.seen()
        if seen.latency_ms is not None or seen.state != "closed"
    }
