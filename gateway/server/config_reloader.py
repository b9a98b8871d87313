"""Swaps in the catalog, the limits and the budgets in force after a change of the configuration."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from django.conf import settings

from budgets.loaders import load_rulebook
from catalog.health.queries import failed_probes
from catalog.loaders import Source, load_snapshot, next_price_change
from catalog.snapshot import CatalogProblem, Snapshot
from gateway.config import Config
from gateway.runtime import Runtime
from gateway.stores.database_threads import InDatabase

logger = logging.getLogger(__name__)


class ConfigReloader:
    """`in_database` runs a blocking function in the database threads."""

    def __init__(self, live: Runtime, config: Config, in_database: InDatabase, simulator_url: str) -> None:
        self._live, self._config, self._in_database = live, config, in_database
        self._simulator_url = simulator_url
        self._price_changes_at = float("inf")  # epoch seconds

    @property
    def is_due(self) -> bool:
        """Whether a scheduled price has begun or ended: that raises no version, so the clock is asked."""
        return time.time() >= self._price_changes_at

    async def reload(self, version: int) -> None:
        """Read everything of this version and swap it in. Raises what the database raises; the old state stays."""
        live = self._live
        live.snapshot, live.failed_probes = await self._in_database(self._read_catalog, version)
        live.rulebook = await self._in_database(load_rulebook, self._config, version)
        live.key_cache.clear()
        live.metrics.show_deployments(
            (d.target.name for model in live.snapshot.models.values() for d in model.deployments),
            (problem.deployment for problem in live.snapshot.problems if problem.deployment),
        )
        live.health.update_targets(live.snapshot.targets, live.snapshot.tiers())
        for seen in live.health.snapshots():
            live.metrics.show_state(seen.deployment, seen.value)
        for problem in live.snapshot.problems:
            where = {"alias": problem.alias, "deployment": problem.deployment}
            logger.warning("catalog.problem.found", extra={**where, "reason": problem.reason})

    def _read_catalog(self, version: int) -> tuple[Snapshot, tuple[CatalogProblem, ...]]:
        now = datetime.now(UTC)
        source = Source(self._config, settings.SECRETS.encryption_key, self._simulator_url)
        change = next_price_change(now)
        self._price_changes_at = change.timestamp() if change is not None else float("inf")
        snapshot = load_snapshot(source, version, now)
        return snapshot, tuple(failed_probes(now, snapshot))  # of each row as it is now
