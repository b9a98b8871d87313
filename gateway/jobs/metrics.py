"""The metrics of periodic jobs, from the database: the same from every worker and every machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

if TYPE_CHECKING:
    from gateway.jobs.runs import Run


class JobMetrics(Collector):
    """`runs` are those that were read last (gateway/server/background.py); before that there are no samples."""

    def __init__(self) -> None:
        self.runs: tuple[Run, ...] = ()

    @override
    def collect(self) -> Iterator[Metric]:
        succeeded = GaugeMetricFamily(
            "gateway_job_last_success_timestamp_seconds",
            "When a periodic job was last done with success; 0: never",
            labels=["job"],
        )
        interval = GaugeMetricFamily(
            "gateway_job_interval_seconds", "The time between two turns of a job", labels=["job"]
        )
        failures = CounterMetricFamily("gateway_job_failures", "Failed turns of a job", labels=["job"])
        for run in self.runs:
            succeeded.add_metric([run.name], run.succeeded_at)
            interval.add_metric([run.name], run.every_s)
            failures.add_metric([run.name], run.failures)
        yield from (succeeded, interval, failures)
