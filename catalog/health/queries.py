"""Reads of the catalog for pages and the operators' API. Blocking: small queries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from django.conf import settings
from django.db.models import Max, Prefetch, Q, QuerySet
from django.utils import timezone

from catalog.facts.of_rows import known_facts
from catalog.health.diagnosis import meaning_of, slip_of
from catalog.health.probes import oldest, probe_targets, served_or_loaded
from catalog.health.state import OFFLINE, ONLINE, UNKNOWN, state_of
from catalog.models import RATES, Deployment, HealthProbe, Price, PriceSource
from catalog.pricing.price_map import lookup
from catalog.prompt_limits import row_facts
from catalog.serving import served
from catalog.snapshot import CatalogProblem, Snapshot


class DeploymentActivity(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one deployment, as `GET /admin/providers/health` shows it."""

    id: int
    provider: str
    deployment: str
    alias: str
    state: str  # online | degraded | offline | unknown
    since: datetime | None
    last_probe_at: datetime | None
    latency_ms: float | None
    error: str


def provider_health(now: datetime) -> list[DeploymentActivity]:
    """Return the state of every enabled deployment: the last probe of its target, and this process's own traffic."""
    probes = _probes(now, served_or_loaded(now))
    traffic = _traffic()
    rows = (
        Deployment.objects.filter(enabled=True, removed=False, model__enabled=True, model__removed=False)
        .select_related("model")
        .order_by("model__alias", "priority", "pk")
    )
    return [_activity(row, probes.get(row.pk), traffic.get(row.pk, ("", ""))) for row in rows]


def with_prices(rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    """Prefetch the prices in force, in one query for all rows."""
    return rows.prefetch_related(Prefetch("prices", _in_force(), to_attr="open_prices"))


def _in_force() -> QuerySet[Price]:
    instant = timezone.now()
    rows = Price.objects.filter(Q(active_to=None) | Q(active_to__gt=instant), active_from__lte=instant)
    return rows.order_by("-active_from")


def price_text(row: Deployment) -> str:
    """Return what a deployment costs now, with units and source. One query, if its price was not prefetched."""
    if not row.pk:
        return "none yet: give it one on its own page, or its calls are refused"
    found = getattr(row, "open_prices", None)
    found = list(_in_force().filter(deployment=row)) if found is None else found
    price = found[0] if found else None
    if price is not None:
        since = f"{price.active_from:%Y-%m-%d %H:%M} UTC"
        return f"{price.in_words} (since {since}, {price.get_source_display()})"
    known = lookup(row.provider, row.upstream_model)
    if known is None:
        return "none: its calls are refused, because no budget could be kept"
    rates = {rate: getattr(known.sheet, rate) for rate in RATES}
    return f"{Price(**rates).in_words} ({PriceSource.MAP.label})"


def facts_text(row: Deployment) -> str:
    """Return what is known of a deployment's model, as "thinking: always; vision: yes"."""
    if not row.pk:
        return "shown once it is saved"
    known = known_facts(row_facts(row.model, row, lookup(row.provider, row.upstream_model)))
    return "; ".join(f"{name}: {_fact(value)}" for name, value in known.items()) or "nothing"


def _fact(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def probes_named(text: str) -> set[str]:
    """Return the probed targets that stand for a deployment or a model with this text in its name."""
    named = Q(name__icontains=text) | Q(model__alias__icontains=text)
    wanted = set(Deployment.objects.filter(named).values_list("pk", flat=True))
    newest = HealthProbe.objects.values("place").annotate(last=Max("pk"))
    rows = HealthProbe.objects.filter(pk__in=[row["last"] for row in newest])
    return {row.place for row in rows if wanted.intersection(row.deployments)}


def names_of(deployments: Iterable[int]) -> dict[int, str]:
    """Return "alias / deployment" by id, also of removed ones. One query."""
    rows = Deployment.objects.filter(pk__in=set(deployments)).select_related("model")
    return {row.pk: f"{row.model.alias} / {row.name}" for row in rows}


def failed_probes(now: datetime, snapshot: Snapshot | None = None) -> list[CatalogProblem]:
    """Return the deployments of a catalog, or of that in force, whose last probe failed, and why. Two small queries."""
    snapshot = snapshot or served_or_loaded(now)
    probes = {deployment: probe for deployment, probe in _probes(now, snapshot).items() if probe.error}
    if not probes:
        return []
    every = (each for model in snapshot.models.values() for each in (*model.deployments, *model.shadows))
    failed = [each.target for each in every if each.target.id in probes]
    return [
        CatalogProblem(target.alias, target.name, f"{target.base_url} failed its probe: {why}")
        for target in sorted(failed, key=lambda target: (target.alias, target.id))
        if (why := _error_of(target.upstream_model, probes[target.id]))
    ]


def _error_of(upstream_model: str, probe: HealthProbe) -> str:
    """Return what its probe found wrong with one deployment; a target may stand for several, each with its model."""
    if probe.state == ONLINE:
        return slip_of(probe.error, upstream_model)
    meaning = meaning_of(probe.error, probe.endpoint)
    return f"{probe.error} ({meaning})" if meaning else str(probe.error)


def _activity(row: Deployment, probe: HealthProbe | None, traffic: tuple[str, str]) -> DeploymentActivity:
    seen, reason = traffic
    state = state_of(probe.state if probe is not None else UNKNOWN, seen)
    agrees = probe is not None and probe.state == state
    return DeploymentActivity(
        id=row.pk,
        provider=row.provider,
        deployment=row.name,
        alias=row.model.alias,
        state=OFFLINE if row.problem else state,
        since=probe.since if probe is not None and agrees else None,
        last_probe_at=probe.at if probe is not None else None,
        latency_ms=probe.latency_ms if probe is not None else None,
        error=row.problem
        or (_error_of(row.upstream_model, probe) if probe is not None and agrees else reason),
    )


def _probes(now: datetime, snapshot: Snapshot) -> dict[int, HealthProbe]:
    """Return the newest probe by the id of each deployment it stands for, as that deployment is in the catalog."""
    newest = HealthProbe.objects.filter(at__gte=oldest(now)).values("place").annotate(last=Max("pk"))
    rows = {row.place: row for row in HealthProbe.objects.filter(pk__in=[row["last"] for row in newest])}
    places = probe_targets(snapshot, settings.SECRETS.encryption_key) if rows else []
    return {pk: rows[place.id] for place in places if place.id in rows for pk in place.deployments}


def _traffic() -> dict[int, tuple[str, str]]:
    """Return the result of this process's own calls: state and reason by deployment, where there were any."""
    health = getattr(served(), "health", None)
    if health is None:
        return {}
    return {
        seen.id: (seen.state, seen.reason)
        for seen in health.snapshots()
        if seen.latency_ms is not None or seen.state != "closed"
    }
