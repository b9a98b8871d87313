"""The server probes its providers by itself, and a good probe does not hide a bad day."""

from __future__ import annotations

from tests.waiting import eventually


def probes(gateway):
    return gateway.sql("select state, deployments from catalog_healthprobe order by id")


async def test_a_running_gateway_probes_each_place_once_a_round(fresh_gateway):
    gateway = fresh_gateway({"health": {"check_interval": "300ms"}})
    await eventually(lambda: len(probes(gateway)) >= 4)
    rounds = [state for state, _ in probes(gateway)]
    assert set(rounds[:2]) == {"online", "degraded"}  # the test upstream, and the port where nobody listens
    assert {"online", "offline"} <= set(rounds[2:])
