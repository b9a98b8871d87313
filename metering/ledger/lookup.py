"""Finds one call by its id: in the ledger, in the request log, or in a journal that was not shipped yet. Reads only;
takes no lock.

One or two queries; journals are read only when those find nothing, at some 2 us a record.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from metering.decision import arm_in
from metering.journal.frames import Gap, scan
from metering.journal.records import Close, Open, Void
from metering.journal.segments import Directory, directories
from metering.ledger.write import moment
from metering.models import LoggedRequest, UsageEvent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metering.journal.records import Record

Source = Literal["ledger", "journal", "running", "void"]
ID = re.compile(
    r"req_([0-9a-f]{12})[0-9a-f]{20}"
)  # the first 48 bits are milliseconds (gateway/http/request_id.py)
MOST_ALIKE = 5


class Found(NamedTuple):
    """A call. In the journal it has ended but is not shipped yet; a running one has no end, a void one no bill."""

    event: UsageEvent
    source: Source


def find(request_id: str, root: Path) -> Found | LoggedRequest | None:
    """Return the call, or None. `root` holds the journals. May raise DatabaseError."""
    found = _in_ledger(request_id) or _in_log(request_id) or _in_journals(request_id, root)
    # a journal that removed its files while they were read has shipped them to the ledger
    return found or _in_ledger(request_id)


def moment_of(request_id: str) -> datetime | None:
    """Return when an id was made; None if it is not the id of a call."""
    parts = ID.fullmatch(request_id)
    return datetime.fromtimestamp(int(parts[1], 16) / 1000, UTC) if parts else None


def counted_at(moment: datetime) -> list[LoggedRequest]:
    """Return rows of the request log that stand for other calls of this time, which were only counted."""
    near = LoggedRequest.objects.filter(at__lte=moment, at__gte=moment - timedelta(minutes=10))
    return list(near.filter(until__gte=moment, alike__gt=0).order_by("-at")[:MOST_ALIKE])


def _in_log(request_id: str) -> LoggedRequest | None:
    return LoggedRequest.objects.filter(pk=request_id).first()


def _in_ledger(request_id: str) -> Found | None:
    event = UsageEvent.objects.filter(pk=request_id).first()
    return None if event is None else Found(event, "ledger")


def _in_journals(request_id: str, root: Path) -> Found | None:
    for path in directories(root):
        opened: Open | None = None
        for record in _records(Directory.for_reading(path), request_id):
            match record:
                case Open():
                    opened = record
                case Close() if opened is not None:
                    return Found(_closed_row(opened, record), "journal")
                case Void() if opened is not None:
                    return Found(_open_row(opened), "void")
        if opened is not None:
            return Found(_open_row(opened), "running")
    return None


def _records(directory: Directory, request_id: str) -> Iterator[Record]:
    """Yield the journal's records of one call, in order."""
    needle = request_id.encode(errors="replace")
    for number in directory.segments():
        with suppress(FileNotFoundError):  # shipped and unlinked meanwhile
            data = directory.segment(number).read_bytes()
            if needle in data:
                for record, _ in scan(data):
                    if not isinstance(record, Gap) and record.id == request_id:
                        yield record


def _open_row(opened: Open) -> UsageEvent:
    """Return the row with what the OPEN of a call holds; it is never saved."""
    return UsageEvent(
        id=opened.id,
        started_at=moment(opened.started_at),
        finished_at=moment(opened.started_at),
        tenant_id=opened.tenant_id,
        tenant=opened.tenant,
        key_id=opened.key_id,
        api_key_prefix=opened.key_prefix,
        endpoint=opened.endpoint,
        model=opened.model,
        provider=opened.provider,
        deployment=opened.deployment,
        upstream_model=opened.upstream_model,
        http_status=0,
        stream=opened.stream,
        input_tokens=opened.input_tokens,
        price_id=opened.sheet.id,
        trace_id=opened.trace_id,
        idempotency_key=opened.idempotency_key,
        client_request_id=opened.client_request_id,
        arm="",
    )


def _closed_row(opened: Open, closed: Close) -> UsageEvent:
    event, usage = _open_row(opened), closed.usage
    event.finished_at = moment(closed.finished_at)
    event.input_tokens = usage.total_input_tokens
    event.output_tokens = usage.total_output_tokens
    event.estimated = usage.estimated
    event.usage = msgspec.to_builtins(usage)
    same = ("provider", "deployment", "upstream_model", "status", "http_status", "error_code", "attempts")
    for name in (
        *same,
        "cost_nanousd",
        "unsettled_nanousd",
        "price_id",
        "receipt",
        "latency_ms",
        "ttft_ms",
        "overhead_ms",
        "decision",
    ):
        setattr(event, name, getattr(closed, name))
    event.arm = arm_in(closed.decision)
    return event
