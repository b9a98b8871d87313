"""Background probes: each distinct endpoint and credential is called once a round, however many aliases use it.

Run by the scheduler every `health.check_interval`. Cost: one small request and one row for each target. A result is
found again by the target's `id` alone, so it counts only for what was measured: another endpoint, key or model is
another target.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from django.conf import settings

from catalog.health.diagnosis import slips
from catalog.health.state import probe_state
from catalog.loaders import Source, load_snapshot
from catalog.models import HealthProbe
from catalog.serving import served
from catalog.snapshot import Snapshot
from gateway.stores.database_threads import InDatabase
from providers.probe import Probed, probe
from providers.registry import PROVIDERS
from providers.target import Target
from providers.transport.client import Transport

logger = logging.getLogger(__name__)

KEPT = timedelta(days=7)
STALE_ROUNDS = 3  # a probe older than this many rounds no longer counts
AT_ONCE = 16
TIMEOUT_S = 10.0
ENDPOINT_CHARS = 500
ERROR_CHARS = 300


class ProbeTarget(msgspec.Struct, frozen=True):
    """One endpoint with one credential, and the deployments it stands for.

    `id` is derived from all that a result depends on: address, credential, models. It does not reveal the credential.
    """

    id: str
    target: Target
    deployments: tuple[int, ...]
    can_chat: bool = False
    models: frozenset[str] = frozenset()  # their upstream names


def probe_all(now: datetime) -> int:
    """Probe every target once and store the results; return how many. Blocking."""
    targets = plan(now)
    write(targets, asyncio.run(_run_probes_alone(targets)), now)
    return len(targets)


async def aprobe_all(
    now: datetime, in_database: InDatabase, transport: Transport, *, only_new: bool = False
) -> int:
    """Do the same without blocking the event loop; `in_database` runs a function where queries may run.

    `only_new` leaves out the targets that have a result.
    """
    targets = await in_database(plan_new if only_new else plan, now)
    if targets:
        await in_database(write, targets, await run_probes(targets, transport), now)
    return len(targets)


def plan(now: datetime) -> list[ProbeTarget]:
    """Return the distinct targets of all deployments that can serve. Blocking."""
    return probe_targets(served_or_loaded(now), settings.SECRETS.encryption_key)


def plan_new(now: datetime) -> list[ProbeTarget]:
    """Return the targets that were not probed lately, as after a change. Blocking."""
    targets = plan(now)
    probed = HealthProbe.objects.filter(place__in=[place.id for place in targets], at__gte=oldest(now))
    known = set(probed.values_list("place", flat=True))
    return [place for place in targets if place.id not in known]


def served_or_loaded(now: datetime) -> Snapshot:
    """Return the catalog that this process serves, or reads if it serves none. Blocking."""
    live = served()
    if live is not None:
        return live.snapshot
    return load_snapshot(Source(settings.GATEWAY, settings.SECRETS.encryption_key), 0, now)


def oldest(now: datetime) -> datetime:
    """Return the time since which a probe counts."""
    return now - timedelta(seconds=STALE_ROUNDS * settings.GATEWAY.health.check_interval)


def probe_targets(snapshot: Snapshot, key: bytes) -> list[ProbeTarget]:
    """Return the probe targets of a catalog."""
    found: dict[bytes, ProbeTarget] = {}
    for model in snapshot.models.values():
        for target in (deployment.target for deployment in (*model.deployments, *model.shadows)):
            if not target.base_url:
                continue
            facts = _identity(target)
            before = found.get(facts) or ProbeTarget("", target, ())
            found[facts] = ProbeTarget(
                "",
                before.target,
                (*before.deployments, target.id),
                can_chat=before.can_chat or model.model_type == "llm",
                models=before.models | {target.upstream_model},
            )
    return [
        msgspec.structs.replace(place, id=_target_id(place, facts, key)) for facts, place in found.items()
    ]


def write(targets: Sequence[ProbeTarget], found: Iterable[Probed], now: datetime) -> None:
    """Add one row a target, which keeps the time its state began; delete what is older than a week."""
    latest = {row.place: row for row in latest_probes([place.id for place in targets])}
    rows = []
    for place, probed in zip(targets, found, strict=True):
        before = latest.get(place.id)
        failures = 0 if probed.is_ok else (before.failures if before else 0) + 1
        state = probe_state(is_ok=probed.is_ok, is_final=probed.is_final, failures=failures)
        error = probed.error or slips(place.models, probed.models)[:ERROR_CHARS]
        _log_change(place, before.error if before is not None else "", error)
        rows.append(
            HealthProbe(
                place=place.id,
                provider=place.target.provider,
                endpoint=place.target.base_url[:ENDPOINT_CHARS],
                deployments=list(place.deployments),
                at=now,
                state=state,
                since=before.since if before is not None and before.state == state else now,
                failures=failures,
                status=probed.status,
                latency_ms=probed.latency_ms,
                error=error,
            )
        )
    HealthProbe.objects.bulk_create(rows)
    HealthProbe.objects.filter(at__lt=now - KEPT).delete()


def _log_change(place: ProbeTarget, before: str, error: str) -> None:
    """Log a new failure of a probe, and its end."""
    is_one = len(place.deployments) == 1  # of several, the one that is probed may be well
    where = {
        "endpoint": place.target.base_url[:ENDPOINT_CHARS],
        "deployments": len(place.deployments),
        "alias": place.target.alias if is_one else "",
        "deployment": place.target.name if is_one else "",
    }
    if error and error != before:
        logger.warning("probe.failed", extra={**where, "error": error})
    elif before and not error:
        logger.info("probe.recovered", extra=where)


def latest_probes(targets: Sequence[str]) -> list[HealthProbe]:
    """Return the newest probe of each of these targets."""
    rows = (HealthProbe.objects.filter(place=place).order_by("-at", "-pk").first() for place in targets)
    return [row for row in rows if row is not None]


def _identity(target: Target) -> bytes:
    """Return what two deployments share if one probe counts for both. Holds the credential."""
    return msgspec.json.encode(
        [
            target.provider,
            target.base_url,
            target.secret.reveal(),
            target.api_version,
            sorted(target.metadata.items()),
            target.is_guarded,
            _questions(target),
        ]
    )


def _questions(target: Target) -> list[tuple[str, bytes]]:
    """Return what the provider's own probes ask, which may depend on the model."""
    probes = PROVIDERS[target.provider].probes
    return [(each.url, each.body or b"") for each in probes(target)] if probes is not None else []


def _target_id(place: ProbeTarget, facts: bytes, key: bytes) -> str:
    models = msgspec.json.encode([place.can_chat, place.target.upstream_model, sorted(place.models)])
    return hmac.new(key, b"place:" + facts + models, hashlib.sha256).hexdigest()[:32]


async def _run_probes_alone(targets: Sequence[ProbeTarget]) -> list[Probed]:
    """Probe from a process that makes no calls."""
    transport = Transport(egress_allow=settings.GATEWAY.server.egress_allow)
    await transport.open()
    try:
        return await run_probes(targets, transport)
    finally:
        await transport.aclose()


async def run_probes(targets: Sequence[ProbeTarget], transport: Transport) -> list[Probed]:
    """Probe the targets, some at a time, each with a timeout."""
    turn = asyncio.Semaphore(AT_ONCE)
    timeout_s = min(TIMEOUT_S, settings.GATEWAY.health.check_interval)

    async def one(place: ProbeTarget) -> Probed:
        try:
            async with turn, asyncio.timeout(2 * timeout_s):
                return await probe(transport, place.target, timeout_s, can_chat=place.can_chat)
        except TimeoutError:
            return Probed(is_ok=False, latency_ms=2000 * timeout_s, error="no answer in time")

    return list(await asyncio.gather(*(one(place) for place in targets)))
