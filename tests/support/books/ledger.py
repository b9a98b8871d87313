"""Reads the ledger for tests: the rows of `export_usage` beside a running gateway, once they are there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from metering.ledger.exports import FIELDS, json_line
from tests.support.books.money import settled
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

Row = dict[str, Any]

FLAGS = ("stream", "estimated")  # SQLite keeps them as 0 and 1
INSTANTS = ("started_at", "finished_at")  # and these as texts without a zone


def committed(gateway: Gateway) -> list[Row]:
    """Return what is in the ledger at this moment, oldest first; for gateways that are idle or do not run."""
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
    """Return it as `export_usage` writes it, whichever database keeps it."""
    row = dict(zip(FIELDS, values, strict=True))
    row |= {name: bool(row[name]) for name in FLAGS}
    row |= {name: _instant(row[name]) for name in INSTANTS}
    found: Row = json.loads(json_line(tuple(row.values())))
    return found


def _instant(value: datetime | str) -> datetime:
    return (
        value.astimezone(UTC)
        if isinstance(value, datetime)
        else datetime.fromisoformat(value).replace(tzinfo=UTC)
    )
