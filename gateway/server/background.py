"""The periodic work of a serving process: leases, stream progress, revocations, adoption, loop lag.

The slower jobs, which one process does for all, are in gateway/schedule.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connections

from budgets.admission.interface import AdmissionUnavailable, WindowTotal
from catalog.health.probes import aprobe_all
from catalog.health.queries import failed_probes
from gateway.jobs.runner import JobRunner
from gateway.jobs.runs import do, note_failure, note_success, runs_of
from gateway.observability.request_log_writer import RequestLogWriter
from gateway.overload.load_shedder import LoadShedder
from gateway.runtime import Runtime
from gateway.schedule import JOBS, PROBES, every_job
from gateway.server.process_state import state_of
from gateway.stores.database_threads import InDatabase
from gateway.stores.databases import background_alias
from gateway.values.fallback_log import FALLBACKS
from gateway.values.stop_reason import StopReason
from gateway.values.tasks import spawn
from metering.ledger.crash_recovery import recover
from metering.settlement.news import SettlementReader
from metering.settlement.unsettled_money import unsettled_by_deployment
from tenants.api_keys.cache import CAREFUL_TTL_S, TTL_S
from tenants.loaders import stopped_keys
from tenants.services import write_key_use

if TYPE_CHECKING:
    from catalog.snapshot import Snapshot
    from gateway.invalidation.health_hints import HealthHintBus
    from gateway.invalidation.pubsub import ConfigSubscriber

logger = logging.getLogger(__name__)

RENEW_S = 10.0
KEY_USE_S = 10.0
REQUEST_LOG_S = 1.0
ADOPT_S = 10.0
TIDY_S = 10.0
PUBLISH_S = 5.0
MARK_S = 1.0
DENIED_S = 1.0
LAG_S = 0.1
OUTLIERS_S = 1.0
SETTLEMENTS_S = 1.0
UNSETTLED_S = 10.0
STATE_S = 1.0
FIRST_PROBE_S = 15.0  # for deployments that have a result already
NEW_PROBE_S = 1.0  # a mistyped or corrected endpoint or key does not wait for a full interval


class BackgroundTasks:
    """`in_database` runs a blocking function in the database threads."""

    def __init__(self, live: Runtime, in_database: InDatabase) -> None:
        self._live, self._in_database = live, in_database
        self._settlements: SettlementReader | None = None
        self._probed: Snapshot | None = None
        self._probing = asyncio.Lock()  # both probes never run at the same time

    def start(self) -> set[asyncio.Task[None]]:
        """Start, and return the tasks, which end when they are cancelled."""
        live, config = self._live, self._live.config
        works = [
            live.config_watcher.run(),
            live.shadow_traffic.run(),
            _watch_lag(live.load_shedder),
            _every(RENEW_S, self._renew_leases),
            _every(KEY_USE_S, self._write_key_use),
            _every(REQUEST_LOG_S, RequestLogWriter(live.request_log, self._in_database).write_request_log),
            _every(MARK_S, self._record_stream_progress),
            _every(OUTLIERS_S, self._eject_outliers),
            _every(SETTLEMENTS_S, self._read_settlements),
            _every(STATE_S, self._report_state),
            _every(UNSETTLED_S, self._show_unsettled),
            _every(UNSETTLED_S, self._read_probes),
            _every(UNSETTLED_S, self._read_job_runs),
            _every(DENIED_S, self.read_denied),
            _every(config.streams.revoke_check / 2, self._stop_revoked_calls),
        ]
        if config.embedded:
            works += [
                _at_once_and_every(config.health.check_interval, self._probe),
                _every(min(config.health.check_interval, NEW_PROBE_S), self._probe_new),
                JobRunner(JOBS, partial(self._in_database, do)).run(),
            ]
        else:
            works += [_every(ADOPT_S, self.recover_dead_workers), _every(TIDY_S, self._tidy_workers)]
        if live.health_hints is not None:
            works += [live.health_hints.run(), _listener(live, live.health_hints).run()]
        tasks = {spawn(work) for work in works}
        for task in tasks:
            task.add_done_callback(_note_end)
        return tasks

    async def _renew_leases(self) -> None:
        live = self._live
        await live.admission.renew(live.in_flight.ids)
        await live.idempotency.record_late()
        claims = [call.record.id for call in live.in_flight if call.record.idempotency_key]
        if claims:
            await live.idempotency.renew(claims)

    async def _write_key_use(self) -> None:
        live = self._live
        noted = live.last_used.take()
        if noted:
            await self._in_database(write_key_use, noted)

    async def _probe(self) -> None:
        """In production mode the scheduler's task does it, once for all processes (catalog/health/probes.py)."""
        try:
            async with self._probing:
                await aprobe_all(datetime.now(UTC), self._in_database, self._live.transport)
        except Exception as error:  # recorded, and raised on
            await self._in_database(note_failure, PROBES, error)
            raise
        await self._in_database(note_success, PROBES)
        await self._read_probes()  # each other worker reads them in its own turn

    async def _probe_new(self) -> None:
        """Once for each state of the catalog: a correction is seen at once. Costs nothing while nothing changes."""
        live = self._live
        if self._probed is live.snapshot:
            return
        self._probed = live.snapshot  # once only, also if it fails: the next round probes all
        async with self._probing:
            probed = await aprobe_all(datetime.now(UTC), self._in_database, live.transport, only_new=True)
        if probed:
            await self._read_probes()

    async def _read_probes(self) -> None:
        """Load the results of the last probes, by any process, for /readyz and the front page."""
        live = self._live
        snapshot = live.snapshot
        found = tuple(await self._in_database(failed_probes, datetime.now(UTC), snapshot))
        if snapshot is live.snapshot:  # else it was reloaded meanwhile, with its own
            live.failed_probes = found

    async def _read_job_runs(self) -> None:
        """Load when each job last ran, also by Celery, for /metrics and /readyz."""
        live = self._live
        live.job_runs = live.metrics.jobs.runs = await self._in_database(runs_of, every_job(live.config))

    async def _eject_outliers(self) -> None:
        health = self._live.health
        health.refresh()
        if self._live.config.health.eject_outliers:
            health.eject_outliers()

    async def _record_stream_progress(self) -> None:
        live = self._live
        live.in_flight.write_marks(live.journal)

    async def _read_settlements(self) -> None:
        """Load the totals of windows with late settlements of any process (metering/settlement/late_settlement.py)."""
        if self._settlements is None:
            self._settlements = SettlementReader(
                self._live.admission, self._in_database, lambda: datetime.now(UTC)
            )
        await self._settlements.publish_settled()

    async def _report_state(self) -> None:
        """Report this worker's state, so that every worker returns the same state of the gateway."""
        if self._live.supervisor is not None:
            self._live.supervisor.report_state(state_of(self._live))

    async def _show_unsettled(self) -> None:
        self._live.metrics.show_unsettled(await self._in_database(unsettled_by_deployment))

    async def recover_dead_workers(self) -> None:
        """Settle the journals of ended workers while others live."""
        live = self._live
        loop = asyncio.get_running_loop()

        def wait_for(pending: Coroutine[Any, Any, bool]) -> None:
            if not asyncio.run_coroutine_threadsafe(pending, loop).result(PUBLISH_S):
                raise AdmissionUnavailable  # the journal stays, and is read again at the next turn

        def publish_totals(posts: Sequence[WindowTotal], request_ids: Sequence[str]) -> None:
            wait_for(live.admission.publish_totals(posts, request_ids, is_adopted=True))
            live.idempotency.release_abandoned(request_ids)

        def release_worker(worker: str) -> None:
            wait_for(live.admission.release_worker(worker))

        def recover_all() -> None:
            alias = background_alias()
            try:
                recover(live.config.data_dir / "journal", alias, publish_totals, release_worker)
            finally:  # adoption makes SQLite sync at each write; later work needs no sync
                connections[alias].close()

        await self._in_database(recover_all)

    async def _tidy_workers(self) -> None:
        """Update the list of workers, and stop waiting for those that are lost with their machine."""
        live = self._live
        if live.worker_rows is not None and live.worker_registry is not None:
            await live.worker_rows.delete_lost(live.worker_registry)

    async def recover_now(self) -> None:
        """The same, when the end of a worker was reported."""
        try:
            await self.recover_dead_workers()
        except Exception as error:  # the database may be away: it is retried every ADOPT_S
            FALLBACKS.note("adopt_at_once", error)
            logger.exception("journal.recovery.delayed")

    async def read_denied(self) -> None:
        """Refuse, and stop, the keys of `manage.py revoke --here`: needs no store; one stat(2) if nothing changed."""
        live = self._live
        if live.deny_list.refresh():
            live.key_cache.denied = live.deny_list.prefixes
            logger.warning("key.denied_here", extra={"keys": len(live.key_cache.denied)})
        if live.key_cache.denied:
            denied = live.key_cache.denied
            live.in_flight.stop_where(
                lambda call: StopReason.KEY_REVOKED if call.caller.key_prefix in denied else None
            )

    async def _stop_revoked_calls(self) -> None:
        """End running calls of keys that were revoked and of tenants that were suspended."""
        live = self._live
        keys = {call.caller.key_id for call in live.in_flight}
        if keys:
            stopped = await self._in_database(stopped_keys, keys)
            if stopped:
                live.key_cache.clear()  # a caller that gets this error must not be admitted by the next call
            live.in_flight.stop_where(lambda call: stopped.get(call.caller.key_id))


def _listener(live: Runtime, hints: HealthHintBus) -> ConfigSubscriber:
    """Subscribe to changes; while that is impossible, use a shorter TTL for cached keys."""
    from gateway.invalidation.pubsub import CHANNEL, ConfigSubscriber  # noqa: PLC0415 - embedded mode needs no Redis

    def apply_hint(message: bytes) -> None:
        hint = hints.parse(message)
        if hint is not None:
            live.health.apply_hint(hint)

    return ConfigSubscriber(
        live.config.redis.url,
        hints.signer,
        handlers={CHANNEL: lambda _: live.config_watcher.notify(), hints.channel: apply_hint},
        on_disconnect=lambda: live.key_cache.set_ttl(CAREFUL_TTL_S),
        on_reconnect=lambda: live.key_cache.set_ttl(TTL_S),  # polling found what was missed
    )


async def _watch_lag(shedding: LoadShedder) -> None:
    """Report the loop's lag, ten times a second."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_S
        await asyncio.sleep(LAG_S)
        now = loop.time()
        shedding.observe_lag(max(0.0, now - due), now)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work for ever; errors are logged, and the next turn comes all the same."""
    while True:
        await asyncio.sleep(seconds)
        await _run_once(work)


async def _at_once_and_every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """The same, but without a full interval before the first turn."""
    await asyncio.sleep(min(seconds, FIRST_PROBE_S))
    await _run_once(work)
    await _every(seconds, work)


def _note_end(task: asyncio.Task[None]) -> None:
    """Log periodic work that has failed for good: no other code awaits it while the process serves."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        name = getattr(task.get_coro(), "__qualname__", task.get_name())
        FALLBACKS.note(name, error)
        logger.critical("periodic_work.ended", extra={"work": name}, exc_info=error)


async def _run_once(work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception as error:  # one failed turn (the database away) must not end the work
        FALLBACKS.note(work.__name__.strip("_"), error)
        logger.exception("periodic_work.failed", extra={"work": work.__name__.strip("_")})
