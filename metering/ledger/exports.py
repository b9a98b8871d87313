"""Exports the ledger: one call a line, with the field names of the contracts. Constant memory; 20 us a line."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from django.db import connection, transaction

from metering.ledger.bulk_insert import COLUMNS
from metering.models import UsageEvent
from tenants.queries import UnknownTenant, tenant_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

INTERNAL = frozenset(
    {"tenant_id", "key_id", "price_id", "client_request_id", "arm", "usage", "receipt", "decision"}
)
FIELDS = tuple(name for name in COLUMNS if name not in INTERNAL)  # part of the contracts, in this order
_CHUNK = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Period(NamedTuple):
    """The calls that started at or after `since` and before `until`; None is open."""

    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def parse(cls, since: str, until: str) -> Period:
        """Read two ISO 8601 instants, empty for open; without a zone they are UTC. Raises ValueError."""
        return cls(_instant(since), _instant(until))

    def of(self, events: QuerySet[UsageEvent]) -> QuerySet[UsageEvent]:
        if self.since is not None:
            events = events.filter(started_at__gte=self.since)
        if self.until is not None:
            events = events.filter(started_at__lt=self.until)
        return events


def calls(period: Period, tenant: str = "") -> Iterator[tuple[Any, ...]]:
    """Yield the values of FIELDS of each call, oldest first. Raises UnknownTenant."""
    events = period.of(UsageEvent.objects.order_by("started_at", "id"))
    if tenant:
        events = _of_tenant(events, tenant)
    values = events.values_list(*FIELDS)
    if connection.vendor == "postgresql":
        return _streamed(values)
    return values.iterator(chunk_size=_CHUNK)


def _streamed(values: QuerySet[UsageEvent, tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Read in a transaction: outside one PostgreSQL would copy the whole result before its first row."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
        yield from values.iterator(chunk_size=_CHUNK)


def json_line(values: tuple[Any, ...]) -> str:
    return orjson.dumps(
        dict(zip(FIELDS, values, strict=True)), option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
    ).decode()


def csv_line(values: tuple[Any, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_cell(value) for value in values])
    return line.getvalue()


def csv_head() -> str:
    return ",".join(FIELDS)


def _of_tenant(events: QuerySet[UsageEvent], name: str) -> QuerySet[UsageEvent]:
    """Filter by tenant; a deleted one is found by the name its calls were recorded with."""
    try:
        return events.filter(tenant_id=tenant_named(name).pk)
    except UnknownTenant:
        named = events.filter(tenant=name)
        if named.exists():
            return named
        raise


def _cell(value: Any) -> Any:
    """Format a value so that a spreadsheet reads it as it is: a text is never a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
