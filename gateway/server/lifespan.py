"""Opens everything a serving process needs, keeps it running, and closes it in the right order.

Startup order: the journals of ended processes are shipped first, then totals are loaded, then calls are accepted.
Shutdown order: no new calls, running ones end, the journal is synced and shipped, then sockets and threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from django.conf import settings

from budgets.admission.interface import Admission, WindowKey, WindowTotal
from budgets.local.admission import LocalAdmission
from gateway import runtime
from gateway.idempotency import rows as replay_rows
from gateway.idempotency.rows import Quota
from gateway.idempotency.store import IdempotencyStore
from gateway.inference.shadow_traffic import ShadowTraffic
from gateway.inference.token_counter import TokenCounter
from gateway.invalidation.watcher import ConfigWatcher
from gateway.observability.access_log import AccessLog
from gateway.observability.metrics import Metrics
from gateway.observability.request_log import RequestLog
from gateway.observability.request_log_writer import RequestLogWriter
from gateway.overload.body_memory import BodyMemory
from gateway.overload.load_shedder import LoadShedder
from gateway.runtime import Runtime
from gateway.server.background import BackgroundTasks
from gateway.server.config_reloader import ConfigReloader
from gateway.server.health_registry import health_of, hints_of
from gateway.server.loop_watchdog import Watchdog
from gateway.server.process_state import show_gauges
from gateway.stores.database_monitor import DatabaseMonitor
from gateway.stores.database_threads import DatabaseThreads
from gateway.stores.databases import background_alias
from gateway.supervisor.shutdown import ShutdownSignal, ended, in_time
from gateway.supervisor.worker_rows import WorkerRows
from gateway.values.signed_messages import Signer
from gateway.values.stop_reason import StopReason
from gateway.values.tasks import spawn
from metering.inflight import InFlightCalls
from metering.journal.journal import Journal
from metering.journal.segments import new_name
from metering.ledger.shipper import Shipper
from metering.ledger.spend_windows import load_windows
from metering.meter import MeteringServices
from metering.read_on import ReadingOn
from providers.isolation.tenant_salt import Salts
from providers.native_count.counter import ProviderCounter
from providers.processes.heavy_work import HeavyWork
from providers.simulator.server import Simulator
from providers.tokens import count as tokens
from providers.transport.client import Transport
from tenants.api_keys.cache import KeyCache, StoredKey
from tenants.api_keys.deny_list import DenyList
from tenants.api_keys.known_prefixes import KnownPrefixes
from tenants.api_keys.last_used import LastUsedRecorder
from tenants.config_version import config_version
from tenants.loaders import load_key, load_prefixes

STOP_S = 5.0
SHIP_AT_CLOSE_S = 3.0
PART_S = 5.0  # timeout of any other part of the shutdown
DATABASE_S = 1.0  # for threads that respond, this is long; for a hung one no timeout helps
JOURNAL_S = 7.0  # more than the journal's own timeout for the disk


class Lifespan:
    """One serving process. `open`, then `drain`, then `close`."""

    def __init__(self) -> None:
        self.config = settings.GATEWAY
        self._database = DatabaseThreads()
        self._tasks: set[asyncio.Task[None]] = set()
        self._data_epoch = ""  # budgets/redis/workers/worker_registry.py
        self._database_monitor = DatabaseMonitor()
        self._signer = Signer(settings.SECRETS.message_key)
        self._closing: list[Callable[[], Awaitable[None]]] = []

    async def open(self) -> None:
        """Open everything. Raises what makes serving impossible: the process then ends with all its resources."""
        live = Runtime()
        live.config = self.config
        live.database, live.database_monitor = self._database, self._database_monitor
        live.metrics = Metrics()
        live.access_log = _access_log(live)
        live.request_log = _request_log(live)
        live.in_flight = InFlightCalls()
        server = self.config.server
        live.load_shedder = LoadShedder(server.max_inflight)
        live.body_memory = BodyMemory(server.bodies_in_flight_bytes, server.body_limit_bytes)
        live.reading_on = ReadingOn(self.config.metering.read_on)
        live.heavy_work = HeavyWork()
        live.last_used = LastUsedRecorder()
        live.key_cache = KeyCache(settings.SECRETS.pepper, self._load_key, KnownPrefixes(self._load_prefixes))
        live.deny_list = DenyList(self.config.data_dir)
        live.tenant_salts = Salts(settings.SECRETS.tenant_salt)
        live.health_hints = hints_of(self.config, lambda: live.snapshot.version, self._signer)
        live.health = health_of(self.config, live.metrics, live.health_hints)
        live.transport = Transport(egress_allow=self.config.server.egress_allow)
        await live.transport.open()
        live.idempotency = self._replays(live)
        await self._open_journal(live)
        await self._open_simulator(live)
        reloader = ConfigReloader(live, self.config, self._database.run, self._simulator_url)
        live.config_watcher = ConfigWatcher(self._version, reloader, live.key_cache.expire_stale)
        await live.config_watcher.check()
        show_gauges(live)
        live.token_counter = TokenCounter(heavy=live.heavy_work)
        self._closing.append(live.token_counter.aclose)
        live.provider_counter = ProviderCounter(live.transport)
        await self._database.run(tokens.warm)
        live.shadow_traffic = ShadowTraffic(live.transport, live.metering, live.metrics)
        runtime.install(live)
        self._watchdog = Watchdog(asyncio.get_running_loop(), live.metrics.stalls.inc)
        self._watchdog.start()
        self._background = BackgroundTasks(live, self._database.run)
        await self._background.read_denied()  # before any call is accepted
        self._tasks = self._background.start()

    async def drain(self, grace_s: float, stop: ShutdownSignal) -> None:
        """Refuse new calls, let running ones finish within `grace_s`, then end the rest, accounted.

        In a worker that is only replaced they may take as long as the longest call may.
        """
        live, server = runtime.current(), self.config.server
        live.is_leaving = live.is_draining = True
        longest_s = max(server.sync_timeout, server.stream_max_duration)
        await stop.pause_unless_ordered(longest_s, _idle(live))
        await stop.wait(grace_s, _idle(live))
        if live.in_flight.stop_where(lambda _: StopReason.SERVER_SHUTDOWN):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await _idle(live)

    def recover_ended_worker(self) -> None:
        """Settle at once the journal of a worker that has just ended; if that fails, the next turn does it."""
        adopting = spawn(self._background.recover_now())
        self._tasks.add(adopting)
        adopting.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ship the rest and close everything; a part that takes too long or fails delays none of the parts after it."""
        live = runtime.current()
        self._watchdog.stop()
        parts: list[tuple[str, float, Callable[[], Awaitable[object]]]] = [
            ("tasks", PART_S, lambda: ended(self._tasks)),
            ("shipping", SHIP_AT_CLOSE_S, live.shipper.flush),
            ("shipper", PART_S, live.shipper.stop),
            ("journal", JOURNAL_S, live.journal.close),
            ("request log", SHIP_AT_CLOSE_S, RequestLogWriter(live.request_log, self._database.run).flush),
            *((close.__qualname__, PART_S, close) for close in self._closing),
            ("transport", PART_S, live.transport.aclose),
            ("database", DATABASE_S, self._database.close),
        ]
        if live.simulator is not None:
            parts.append(("simulator", PART_S, live.simulator.aclose))
        for name, seconds, close in parts:
            await in_time(seconds, name, close())
        runtime.install(None)
        live.access_log.close()
        live.heavy_work.close()

    def _replays(self, live: Runtime) -> IdempotencyStore:
        config = self.config.idempotency
        replays = IdempotencyStore(
            self._database.run,
            settings.SECRETS.encryption_key,
            Quota(config.most_bytes, config.max_answers),
            lambda reason: live.metrics.unstored.add((reason,)),
            live.heavy_work,
        )
        replays.may_have_calls = partial(replay_rows.may_have_calls, self.config.data_dir / "journal")
        return replays

    async def _open_journal(self, live: Runtime) -> None:
        name = live.idempotency.owner = new_name()  # of this process, for the adoption of its journal
        live.admission = await self._open_admission(live, name)
        await BackgroundTasks(live, self._database.run).recover_dead_workers()
        if self.config.embedded:
            await live.idempotency.recover()
        live.journal = Journal(
            self.config.data_dir / "journal",
            durability=self.config.metering.durability,
            allow_volatile=self.config.metering.allow_volatile,
            name=name,
        )
        if live.worker_rows is not None:
            await live.worker_rows.insert_own(self._data_epoch)
        live.shipper = Shipper(live.journal, live.admission, background_alias())
        live.shipper.start()
        live.metering = MeteringServices(
            live.journal, live.admission, live.in_flight, live.metrics.observe, live.heavy_work
        )

    async def _open_admission(self, live: Runtime, worker: str) -> Admission:
        """Limits and money are decided in this process when it is the only one, else in Redis."""
        if self.config.embedded:
            return LocalAdmission(self._load_windows)
        from budgets.redis.admission import RedisAdmission  # noqa: PLC0415 - as above

        rows = live.worker_rows = WorkerRows(worker, self._database.run)
        url = self.config.redis.url
        shared = RedisAdmission(
            url, self._load_windows, signer=self._signer, members=rows.members, notes=rows, worker=worker
        )

        async def close_admission() -> None:
            if await shared.aclose():
                await rows.delete_own()

        await shared.open()
        self._closing.append(close_admission)
        live.worker_registry, self._data_epoch = shared.workers, shared.data_epoch
        return shared

    async def _open_simulator(self, live: Runtime) -> None:
        live.simulator = None
        self._simulator_url = ""
        if not self.config.server.production:
            live.simulator = Simulator()
            self._simulator_url = f"http://127.0.0.1:{await live.simulator.start()}/v1"

    async def _version(self) -> int:
        with self._database_monitor.query():
            return int(await self._database.run(config_version))

    async def _load_key(self, prefix: str) -> StoredKey | None:
        return await self._database.run(load_key, prefix)

    async def _load_prefixes(self, after: int) -> list[tuple[int, str]]:
        return await self._database.run(load_prefixes, after)

    async def _load_windows(self, keys: Sequence[WindowKey]) -> Sequence[WindowTotal]:
        return await self._database.run(load_windows, keys)


async def _idle(live: Runtime) -> None:
    """Wait until no call is served and every end has been written."""
    await live.load_shedder.wait_until_idle()
    await live.in_flight.wait_until_idle()


def _access_log(live: Runtime) -> AccessLog:
    as_json = live.config.observability.log_format == "json"
    return AccessLog(live.metrics.access_log_dropped.inc, as_json=as_json)


def _request_log(live: Runtime) -> RequestLog:
    def dropped(reason: str, count: int) -> None:
        live.metrics.request_log_dropped.add((reason,), count)

    for reason in ("rolled_up", "full", "unwritable"):
        dropped(reason, 0)  # present from the start, so that an increase is seen
    return RequestLog(dropped, is_off=not live.config.retention.request_log_rows)
