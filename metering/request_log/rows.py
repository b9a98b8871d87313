"""The rows of the request log: written in batches by the workers' background tasks, deleted by a job. Blocking; no
lock is held for longer than a batch. Nothing here is the ledger: a row that is lost costs no money.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import Count

from metering.models import LoggedRequest
from metering.request_log.entry import (
    LONGEST_NAME,
    LONGEST_PATH,
    LONGEST_WORDS,
    Logged,
    plain,
    plain_document,
)
from providers.errors.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from gateway.config.sections.process import Retention

AT_ONCE: Final = 200  # rows of one statement
DELETED_AT_ONCE: Final = 1_000
MOST_BATCHES: Final = 500  # of one run; the next one continues
SHARE: Final = 4  # one tenant may have a quarter of the rows
_UNWRITABLE = (DataError, IntegrityError, ValueError, TypeError, OverflowError)
logger = logging.getLogger(__name__)


def write(entries: Sequence[Logged]) -> int:
    """Write the entries that are not there yet; return how many no database accepts, and leave those out.

    Raises DatabaseError if the database is unavailable; then none of them was written.
    """
    try:
        rows = [_row(each) for each in entries]
        LoggedRequest.objects.bulk_create(rows, batch_size=AT_ONCE, ignore_conflicts=True)
    except _UNWRITABLE:
        return sum(not _write_alone(each) for each in entries)
    return 0


def _write_alone(entry: Logged) -> bool:
    """Write one row: a bad one must not keep the others out."""
    try:
        with transaction.atomic():
            LoggedRequest.objects.bulk_create([_row(entry)], ignore_conflicts=True)
    except _UNWRITABLE as fault:
        why = {"request_id": entry.id, "error": str(fault)[:200]}
        logger.error("request_log.row.left_out", extra=why)  # noqa: TRY400 - its text is enough
        return False
    return True


def _row(entry: Logged) -> LoggedRequest:
    return LoggedRequest(
        id=plain(entry.id, 64),
        at=_moment(entry.at),
        method=plain(entry.method, 16),
        path=_redacted(entry.path, LONGEST_PATH),
        endpoint=plain(entry.endpoint, 64),
        tenant_id=entry.tenant_id,
        tenant=plain(entry.tenant, LONGEST_NAME),
        key_id=entry.key_id,
        api_key_prefix=plain(entry.key_prefix, 32),
        model=_redacted(entry.model, LONGEST_NAME),
        stream=entry.stream,
        http_status=entry.status,
        error_code=plain(entry.code, 64),
        message=_redacted(entry.message, LONGEST_WORDS),
        figures=plain_document(entry.figures),
        decision=plain_document(entry.decision),
        latency_ms=entry.latency_ms,
        client=plain(entry.client, 45),
        trace_id=plain(entry.trace_id, 64),
        client_request_id=_redacted(entry.client_request_id, 128),
        alike=entry.alike,
        until=_moment(entry.until) if entry.until is not None else None,
    )


def _redacted(text: str, most: int) -> str:
    """Return a client's text, without anything that looks like a key."""
    return plain(redact(plain(text, 4 * most)), most) if text else ""


def _moment(instant: float) -> datetime:
    return datetime.fromtimestamp(instant, UTC)


def expire(now: datetime, retention: Retention | None = None) -> int:
    """Delete rows that are too old, then those of a tenant beyond its share, then the oldest beyond the limit. Returns
    how many were deleted. Raises DatabaseError.
    """
    rules = retention or settings.GATEWAY.retention
    deleting = _Deleting()
    deleting.delete_all(LoggedRequest.objects.filter(at__lt=now - timedelta(days=rules.request_log_days)))
    most = rules.request_log_rows
    counts: list[tuple[int, int]] = list(
        LoggedRequest.objects.order_by().values_list("tenant_id").annotate(Count("id"))
    )
    total = sum(count for _, count in counts)
    if total > most:
        for tenant_id, count in counts:
            total -= deleting.delete_oldest(
                LoggedRequest.objects.filter(tenant_id=tenant_id), count - most // SHARE
            )
        deleting.delete_oldest(LoggedRequest.objects.all(), total - most)
    if deleting.deleted:
        logger.info("request_log.rows.expired", extra={"rows": deleting.deleted})
    return deleting.deleted


class _Deleting:
    """Deletes in batches of one transaction each, up to the limit of one run."""

    def __init__(self) -> None:
        self.deleted, self._batches = 0, 0

    def delete_all(self, rows: QuerySet[LoggedRequest]) -> None:
        while self._batch(rows, DELETED_AT_ONCE):
            pass

    def delete_oldest(self, rows: QuerySet[LoggedRequest], count: int) -> int:
        """Return how many were deleted."""
        before = self.deleted
        while (left := count - (self.deleted - before)) > 0 and self._batch(rows, min(left, DELETED_AT_ONCE)):
            pass
        return self.deleted - before

    def _batch(self, rows: QuerySet[LoggedRequest], count: int) -> bool:
        if self._batches >= MOST_BATCHES:
            return False
        self._batches += 1
        ids = list(rows.order_by("at").values_list("pk", flat=True)[:count])
        chosen: Any = LoggedRequest.objects.filter(pk__in=ids)
        self.deleted += chosen._raw_delete(chosen.db) if ids else 0  # noqa: SLF001 - nothing refers to a row
        return len(ids) == count
