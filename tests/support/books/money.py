"""Reads the money of a running gateway for tests: the limit status of a scope, settlements, the database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx

from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

STANDING = ("limit", "spent", "remaining", "held")
NANO = 10**9
UNSETTLED = ("gateway_inflight_requests", "gateway_journal_unshipped_records")


def nanousd(amount: str) -> int:
    """Read a decimal string of USD, exactly."""
    exact = Decimal(amount) * NANO
    assert exact == int(exact), amount
    return int(exact)


async def limit_status(gateway: Gateway, key: str) -> dict[str, int]:
    """Return limit, spent, remaining and held of the tightest budget of a key, in nano-USD.

    A shared store that answers late leaves them out of that answer; then it is asked again.
    """

    async def read() -> dict[str, int]:
        answer = await client.get("/v1/models")
        return {name: nanousd(answer.headers[f"x-budget-{name}-usd"]) for name in STANDING}

    async with gateway.client(key) as client:
        return await eventually(read, despite=(KeyError,))


async def samples(gateway: Gateway) -> dict[str, float]:
    """Return the metrics by name and labels, as they are printed."""
    async with gateway.client() as client:
        text = (await client.get("/metrics")).text
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def settled(gateway: Gateway) -> None:
    """Return when no call runs and every finished one is in the database."""

    async def unsettled() -> dict[str, float]:
        found = await samples(gateway)
        return {name: found[name] for name in UNSETTLED if found[name]}

    await eventually(unsettled, lambda found: not found, despite=(httpx.TransportError,))


def windows(gateway: Gateway) -> dict[tuple[str, str], int]:
    """Return what the database says is spent, by kind of scope and schedule; for configurations with one of each."""
    rows = query(gateway, "SELECT scope, schedule, spent_nanousd FROM budgets_spendwindow")
    return {(scope.partition(":")[0], schedule): spent for scope, schedule, spent in rows}


def query(gateway: Gateway, statement: str, *parameters: Any) -> list[Any]:
    """Read the gateway's database beside it."""
    return gateway.sql(statement, *parameters)
