"""The only process-wide state: what is open while this process serves. Opened and closed by gateway/server/lifespan.py.

Everything below is a plain object that gets its dependencies in its constructor; this module only refers to it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from budgets.admission.interface import Admission
    from budgets.admission.prompt_counts import Counter
    from budgets.redis.workers.worker_registry import WorkerRegistry
    from budgets.rules import Rulebook
    from catalog.snapshot import CatalogProblem, Model, Snapshot
    from gateway.config import Config
    from gateway.idempotency.store import IdempotencyStore
    from gateway.invalidation.health_hints import HealthHintBus
    from gateway.invalidation.watcher import ConfigWatcher
    from gateway.jobs.runs import Run
    from gateway.observability.access_log import AccessLog
    from gateway.observability.metrics import Metrics
    from gateway.observability.request_log import RequestLog
    from gateway.overload.body_memory import BodyMemory
    from gateway.overload.load_shedder import LoadShedder
    from gateway.stores.database_monitor import DatabaseMonitor
    from gateway.stores.database_threads import DatabaseThreads
    from gateway.supervisor.supervisor_client import SupervisorClient
    from gateway.supervisor.worker_rows import WorkerRows
    from metering.inflight import InFlightCalls
    from metering.journal.journal import Journal
    from metering.ledger.shipper import Shipper
    from metering.meter import MeteringServices
    from metering.read_on import ReadingOn
    from providers.isolation.tenant_salt import Salts
    from providers.native_count.counter import ProviderCounter
    from providers.processes.heavy_work import HeavyWork
    from providers.resilience.health import DeploymentHealth
    from providers.simulator.server import Simulator
    from providers.transport.client import Transport
    from tenants.api_keys.cache import KeyCache
    from tenants.api_keys.deny_list import DenyList
    from tenants.api_keys.last_used import LastUsedRecorder


class NotServing(RuntimeError):
    """Raised if the hot path is entered in a process that no longer serves."""


class Starting(NotServing):
    """The runtime was not opened yet."""


class Mirrors(Protocol):
    """Sends answered calls again to deployments on trial (gateway/inference/shadow_traffic.py)."""

    def mirror(
        self, request_id: str, endpoint: str, model: Model, parsed: Any, raw: bytes, input_tokens: int
    ) -> None:
        """Queue one call to be sent again. Never waits."""
        ...

    async def run(self) -> None:
        """Send the queued calls until cancelled."""
        ...


class Runtime:
    """One attribute for each part; `snapshot` and `rulebook` are immutable values, swapped whole."""

    config: Config
    database: DatabaseThreads
    database_monitor: DatabaseMonitor
    transport: Transport
    health: DeploymentHealth
    key_cache: KeyCache
    last_used: LastUsedRecorder
    snapshot: Snapshot
    failed_probes: tuple[CatalogProblem, ...] = ()  # from the ledger of probes
    rulebook: Rulebook
    admission: Admission
    journal: Journal
    shipper: Shipper
    in_flight: InFlightCalls
    metering: MeteringServices
    idempotency: IdempotencyStore
    metrics: Metrics
    access_log: AccessLog
    request_log: RequestLog
    config_watcher: ConfigWatcher
    simulator: Simulator | None = None
    worker_rows: WorkerRows | None = None  # where other processes may share Redis
    worker_registry: WorkerRegistry | None = None  # as far as this one knows them
    health_hints: HealthHintBus | None = None  # sent to other processes, where there may be any
    load_shedder: LoadShedder
    body_memory: BodyMemory
    reading_on: ReadingOn
    heavy_work: HeavyWork
    deny_list: DenyList
    tenant_salts: Salts
    shadow_traffic: Mirrors
    token_counter: Counter | None = None  # of prompts whose bytes do not fit a budget
    provider_counter: ProviderCounter | None = None  # the same at their providers
    supervisor: SupervisorClient | None = None  # to the supervisor, where there are several workers
    job_runs: tuple[Run, ...] = ()  # of all processes, from the database
    serving_since: float = 0.0  # Unix time
    is_leaving: bool = False  # /readyz reports it, so that no more calls are sent; calls are still served
    is_draining: bool = False  # new calls are refused


class _Slot:
    """Holds the open connections of this process, or nothing."""

    value: Runtime | None = None
    was_open = False


def current() -> Runtime:
    """Return the open runtime. Costs one attribute read; raises Starting before open and NotServing after close."""
    value = _Slot.value
    if value is None:
        raise NotServing if _Slot.was_open else Starting
    return value


def is_open() -> bool:
    return _Slot.value is not None


def install(value: Runtime | None) -> None:
    """Called by gateway/server/lifespan.py only."""
    if value is not None:
        value.serving_since = time.time()
    _Slot.value, _Slot.was_open = value, _Slot.was_open or value is not None
