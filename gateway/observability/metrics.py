"""The /v1 metrics, written by hand (docs/operations.md lists them): the stock middleware costs about 1 ms per request.

No tenant and no key is ever a label. Label values come from the catalog and from our own tables, so their number is
bounded. What requests count uses our own counters (gateway/observability/counters.py); the library's counters are for
other threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from gateway.jobs.metrics import JobMetrics
from gateway.observability.counters import Distribution, Tally
from gateway.values.fallback_log import FALLBACKS
from gateway.values.money import NANO
from metering.journal.records import Close, Open
from providers.target import Target

if TYPE_CHECKING:
    from metering.settlement.unsettled_money import UnsettledAt

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
OVERHEAD = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 1)


class FallbackCounts(Collector):
    """How often each place took its fallback (gateway/values/fallback_log.py)."""

    @override
    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily("gateway_fallbacks", "Fallbacks by place", labels=["where"])
        for where, times in FALLBACKS.happened.items():
            family.add_metric([where], times)
        yield family


class Metrics:
    """All instruments of one process; `observe` is the only call on the hot path."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, registry=registry)

        def tally(name: str, text: str, *labels: str) -> Tally:
            return Tally(name, text, labels, registry)

        self.requests = tally("gateway_requests", "Calls", "endpoint", "model", "provider", "status")
        self.tokens = tally("gateway_tokens", "Tokens", "model", "provider", "kind")
        self.cost = tally("gateway_cost_usd", "Cost in USD", "model", "provider")
        self.refusals = tally("gateway_refusals", "Refused calls by error code", "reason")
        self.shed = tally("gateway_shed", "Calls refused because this process was full", "reason")
        self.attempts = tally(
            "gateway_upstream_attempts", "Upstream tries", "provider", "deployment", "outcome"
        )
        self.stalls = counter(
            "gateway_event_loop_stalls", "Times the event loop was held for 250 ms or longer"
        )
        self.unstored = tally(
            "gateway_replays_unstored", "Answers not kept for their Idempotency-Key", "reason"
        )
        self.retry_overflow = tally(
            "gateway_retry_overflow", "Further tries that the retry budget did not allow", "provider"
        )
        self.overshoot = counter("gateway_budget_overshoot_usd", "Reported cost beyond what was held, in USD")
        self.disputed = tally(
            "gateway_disputed_usd",
            "Reported beyond what was allowed, not charged",
            "provider",
            "deployment",
        )
        self.shadow_calls = tally(
            "gateway_shadow_calls", "Mirrored calls by how they ended", "model", "deployment", "status"
        )
        self.shadow_cost = tally(
            "gateway_shadow_cost_usd", "Cost of mirrored calls in USD, the operator's", "model", "deployment"
        )
        self.shadow_dropped = tally(
            "gateway_shadow_dropped", "Calls that a bound kept from being mirrored", "reason"
        )
        self.access_log_dropped = counter(
            "gateway_access_log_dropped", "Access log lines lost to a full buffer"
        )
        self.request_log_dropped = tally(
            "gateway_request_log_dropped", "Calls that the request log only counted, or lost", "reason"
        )
        self.connections_closed = tally(
            "gateway_connections_closed", "Connections ended or refused for want of room, by why", "reason"
        )
        self.duration = Distribution("gateway_request_duration_seconds", "Whole call", SECONDS, registry)
        self.overhead = Distribution(
            "gateway_overhead_seconds", "Time not spent waiting for the upstream", OVERHEAD, registry
        )
        self.first_token = Distribution("gateway_time_to_first_token_seconds", "Streams", SECONDS, registry)
        self.inflight = Gauge("gateway_inflight_requests", "Calls being served", registry=registry)
        self.read_on = Gauge(
            "gateway_read_on_requests",
            "Calls whose client disconnected and whose usage is awaited",
            registry=registry,
        )
        self.unshipped = Gauge(
            "gateway_journal_unshipped_records", "Finished calls not yet in the database", registry=registry
        )
        self.oldest_unshipped = Gauge(
            "gateway_journal_oldest_unshipped_seconds", "Age of the oldest of them", registry=registry
        )
        self.capacity = Gauge(
            "gateway_capacity_requests", "Calls this process takes on at a time at present", registry=registry
        )
        self.loop_lag = Gauge(
            "gateway_event_loop_lag_seconds", "Mean lateness in the last second", registry=registry
        )
        self.deployment_state = Gauge(
            "gateway_deployment_state",
            "0 not used, 0.5 on trial, 1 serving",
            ["deployment"],
            registry=registry,
        )
        self.store_up = Gauge(
            "gateway_store_up",
            "1 when the store answers: database, journal, and redis in production mode",
            ["store"],
            registry=registry,
        )
        self.unsettled_calls = Gauge(
            "gateway_unsettled_calls",
            "Calls whose outcome is not known yet",
            ["provider", "deployment"],
            registry=registry,
        )
        self.unsettled_money = Gauge(
            "gateway_unsettled_usd",
            "What they may have used beyond their cost, in USD",
            ["provider", "deployment"],
            registry=registry,
        )
        self.jobs = JobMetrics()
        registry.register(self.jobs)
        registry.register(FallbackCounts())

    def observe(self, opened: Open, closed: Close, _: object = ()) -> None:
        """Count a finished call. Called once for each row of the ledger."""
        model, provider, usage = opened.model, closed.provider, closed.usage
        self.requests.add((opened.endpoint, model, provider, closed.status))
        for kind, quantity in (
            ("input", usage.input_tokens + usage.image_input_tokens),
            ("cached_input", usage.cached_input_tokens),
            ("cache_write", usage.cache_write_tokens + usage.cache_write_1h_tokens),
            ("output", usage.output_tokens + usage.image_output_tokens),
            ("reasoning", usage.reasoning_tokens),
            ("audio_input", usage.audio_input_tokens),
            ("audio_output", usage.audio_output_tokens),
        ):
            if quantity:
                self.tokens.add((model, provider, kind), quantity)
        if closed.cost_nanousd:
            self.cost.add((model, provider), closed.cost_nanousd / NANO)
        reported = closed.cost_nanousd + closed.disputed_nanousd
        if reported > opened.hold_nanousd:
            self.overshoot.inc((reported - opened.hold_nanousd) / NANO)
        if closed.disputed_nanousd:
            self.disputed.add((provider, closed.deployment), closed.disputed_nanousd / NANO)
        self.overhead.observe(closed.overhead_ms / 1000)
        if closed.ttft_ms is not None:
            self.first_token.observe(closed.ttft_ms / 1000)

    def tried(self, target: Target, outcome: str) -> None:
        """Count an attempt at a deployment, connected or not; `outcome` is ok or the class of its failure."""
        self.attempts.add((target.provider, target.name, outcome))

    def observe_shadow(self, opened: Open, status: str, cost_nanousd: int = 0) -> None:
        """Count a finished shadow call; its cost is separate from the callers' costs."""
        self.shadow_calls.add((opened.model, opened.deployment, status))
        if cost_nanousd:
            self.shadow_cost.add((opened.model, opened.deployment), cost_nanousd / NANO)

    def show_deployments(self, usable: Iterable[str], disabled: Iterable[str]) -> None:
        """Set which deployments can serve, after the catalog changed."""
        self.deployment_state.clear()
        for name in disabled:
            self.deployment_state.labels(name).set(0)
        for name in usable:
            self.deployment_state.labels(name).set(1)

    def show_unsettled(self, found: Iterable[UnsettledAt]) -> None:
        """Set the unsettled amounts of the ledger, of all processes; a deployment without any has no sample."""
        self.unsettled_calls.clear()
        self.unsettled_money.clear()
        for each in found:
            self.unsettled_calls.labels(each.provider, each.deployment).set(each.calls)
            self.unsettled_money.labels(each.provider, each.deployment).set(each.nanousd / NANO)

    def watch_load(self, capacity: Callable[[], float], lag: Callable[[], float]) -> None:
        """Like watch_gauges: the inputs of gateway/overload/load_shedder.py."""
        self.capacity.set_function(capacity)
        self.loop_lag.set_function(lag)

    def watch_store(self, store: str, is_up: Callable[[], bool]) -> None:
        """Like watch_gauges: whether a store responds."""
        self.store_up.labels(store).set_function(lambda: float(is_up()))

    def show_state(self, deployment: str, value: float) -> None:
        """Set the state of a deployment when it changed."""
        self.deployment_state.labels(deployment).set(value)

    def watch_gauges(
        self,
        inflight: Callable[[], float],
        unshipped: Callable[[], float],
        oldest: Callable[[], float],
        read_on: Callable[[], float],
    ) -> None:
        """Read the gauges when they are scraped, at no cost to a call."""
        self.inflight.set_function(inflight)
        self.read_on.set_function(read_on)
        self.unshipped.set_function(unshipped)
        self.oldest_unshipped.set_function(oldest)
