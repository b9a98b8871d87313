"""How tests read the ledger: the rows of `export_usage` beside a running gateway, and only once they are there."""

from __future__ import annotations

from typing import Any

from metering.exports import FIELDS
from tests.money import settled
from tests.servers import Gateway
from tests.waiting import eventually

Row = dict[str, Any]

FLAGS = ("stream", "estimated")  # SQLite keeps them as 0 and 1


def committed(gateway: Gateway) -> list[Row]:
    """Return what is in the ledger at this moment, oldest first; for gateways that stand still or do not run."""
    columns = ", ".join(FIELDS)
    found = gateway.sql(f"SELECT {columns} FROM metering_usageevent ORDER BY started_at, id")  # noqa: S608 - names of ours
    return [_row(values) for values in found]


async def row_of(gateway: Gateway, call_id: str) -> Row:
    """Wait for a call's row and return it."""
    [row] = await rows_of(gateway, call_id)
    return row


async def rows_of(gateway: Gateway, *call_ids: str) -> list[Row]:
    """Wait for the rows of these calls and return them in this order."""

    def read() -> dict[str, Row]:
        return {row["id"]: row for row in committed(gateway) if row["id"] in call_ids}

    found = await eventually(read, lambda rows: len(rows) == len(set(call_ids)))
    return [found[call_id] for call_id in call_ids]


async def whole_ledger(gateway: Gateway) -> list[Row]:
    """Wait until no call runs and every end has arrived, and return all rows."""
    await settled(gateway)
    return committed(gateway)


def _row(values: tuple[Any, ...]) -> Row:
    row = dict(zip(FIELDS, values, strict=True))
    return row | {name: bool(row[name]) for name in FLAGS}
