"""The server probes its providers, and one good probe does not hide failing calls. /metrics has the times."""

from __future__ import annotations

import re

from gateway.schedule import JOBS, PROBES
from tests.support.waiting import eventually


def probes(gateway):
    return gateway.sql("select state, deployments from catalog_healthprobe order by id")


def of_jobs(text, name):
    """Return what /metrics says of each job under this name."""
    return {
        job: float(value) for job, value in re.findall(rf'gateway_job_{name}{{job="([\w.]+)"}} (\S+)', text)
    }


async def test_running_gateway_probes_each_endpoint_once_a_round(gateway_factory):
    gateway = gateway_factory({"health": {"check_interval": "300ms"}})
    await eventually(lambda: len(probes(gateway)) >= 4)
    rounds = [state for state, _ in probes(gateway)]
    assert set(rounds[:2]) == {"online", "degraded"}  # the test upstream, and the port without a listener
    assert {"online", "offline"} <= set(rounds[2:])
    await its_metrics_tell_of_jobs(gateway)


async def its_metrics_tell_of_jobs(gateway):
    """Of one that was done and then failed, and of those whose turn has not come."""
    failed = "SELECT failures FROM gateway_jobrun WHERE name = ? AND failures > 0"
    gateway.sql("ALTER TABLE catalog_healthprobe RENAME TO hidden")
    await eventually(lambda: gateway.sql(failed, PROBES))
    gateway.sql("ALTER TABLE hidden RENAME TO catalog_healthprobe")
    [(began,)] = gateway.sql("SELECT strftime('%s', succeeded_at) FROM gateway_jobrun WHERE name = ?", PROBES)
    async with gateway.client() as client:

        async def scraped():
            return (await client.get("/metrics")).text

        text = await eventually(scraped, lambda text: of_jobs(text, "failures_total").get(PROBES, 0) > 0)
    done = of_jobs(text, "last_success_timestamp_seconds")
    assert done[PROBES] >= float(began)
    assert done.keys() == {PROBES, *[job.name for job in JOBS]}
    assert of_jobs(text, "interval_seconds") == {
        PROBES: 1.0,
        **{job.name: float(job.every_s) for job in JOBS},
    }
    assert of_jobs(text, "failures_total")["metering.reconcile"] == 0.0
