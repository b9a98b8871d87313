"""The only process-wide state: what is open while this process serves. Opened and closed by gateway/server/lifespan.py.

Everything below is a plain object that takes what it needs in its constructor; this page only says where it is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from budgets.admission.interface import Admission
    from budgets.redis.workers.worker_registry import Peers
    from budgets.rules import Rulebook
    from catalog.snapshot import Problem, Snapshot
    from gateway.config import Config
    from gateway.idempotency.store import Replays
    from gateway.inference.read_on import ReadingOn
    from gateway.inference.shadow_traffic import Shadows
    from gateway.inference.token_counter import TokenCounter
    from gateway.invalidation.health_hints import HealthHints
    from gateway.invalidation.watcher import Invalidation
    from gateway.jobs.runs import Run
    from gateway.observability.access_log import AccessLog
    from gateway.observability.metrics import Metrics
    from gateway.observability.request_log import RequestLog
    from gateway.overload.body_memory import BodyRoom
    from gateway.overload.load_shedder import Shedding
    from gateway.stores.database_monitor import DatabasePulse
    from gateway.stores.database_threads import DatabaseThreads
    from gateway.supervisor.supervisor_client import WorkerLink
    from gateway.supervisor.worker_rows import WorkerRows
    from metering.inflight import Running
    from metering.journal.journal import Journal
    from metering.ledger.shipper import Shipper
    from metering.meter import Books
    from providers.processes.heavy_work import HeavyWork
    from providers.resilience.health import Health
    from providers.simulator.server import Simulator
    from providers.tenant_salt import Salts
    from providers.transport.client import Transport
    from tenants.api_keys.cache import KeyCache
    from tenants.api_keys.deny_list import DenyList
    from tenants.api_keys.last_used import KeyUse


class NotServing(RuntimeError):
    """Raised when the hot path is entered in a process that does not serve any more."""


class Starting(NotServing):
    """It was not opened yet."""


class Connections:
    """One slot for each part; `snapshot` and `rulebook` are immutable values, swapped whole."""

    config: Config
    database: DatabaseThreads
    pulse: DatabasePulse
    transport: Transport
    health: Health
    keys: KeyCache
    key_use: KeyUse
    snapshot: Snapshot
    failed_probes: tuple[Problem, ...] = ()  # as the ledger of probes says
    rulebook: Rulebook
    admission: Admission
    journal: Journal
    shipper: Shipper
    running: Running
    books: Books
    replays: Replays
    metrics: Metrics
    access_log: AccessLog
    request_log: RequestLog
    invalidation: Invalidation
    simulator: Simulator | None = None
    worker_rows: WorkerRows | None = None  # where other processes may share Redis
    peers: Peers | None = None  # as far as this one has heard of them
    hints: HealthHints | None = None  # what is told to other processes, where there may be any
    shedding: Shedding
    bodies: BodyRoom
    reading_on: ReadingOn
    heavy: HeavyWork
    denied: DenyList
    salts: Salts
    shadows: Shadows
    counter: TokenCounter | None = None  # of prompts whose bytes do not fit a budget
    link: WorkerLink | None = None  # to the supervisor, where there are several workers
    job_runs: tuple[Run, ...] = ()  # of all processes, as the database says
    serving_since: float = 0.0  # Unix time
    is_leaving: bool = False  # /readyz says so, so that nobody sends more; calls are still served
    is_draining: bool = False  # new calls are refused


class _Slot:
    """Holds the open connections of this process, or nothing."""

    value: Connections | None = None
    was_open = False


def live() -> Connections:
    """Return what is open. Costs one attribute read; raises Starting before open and NotServing after close."""
    value = _Slot.value
    if value is None:
        raise NotServing if _Slot.was_open else Starting
    return value


def is_open() -> bool:
    return _Slot.value is not None


def set_live(value: Connections | None) -> None:
    """Called by gateway/server/lifespan.py only."""
    if value is not None:
        value.serving_since = time.time()
    _Slot.value, _Slot.was_open = value, _Slot.was_open or value is not None
