"""The nightly reconciliation of the last days: mismatches are logged for the operator. Blocking; reads only."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from itertools import islice

from metering.ledger.exports import Period
from metering.reconciliation.ledger import wrong_receipts, wrong_windows

logger = logging.getLogger(__name__)
_DAYS = 2  # one more than between two runs
_MOST_LOGGED = 50


def compare_redis(url: str) -> int:
    """Compare the counts of Redis with the ledger; return how many mismatch. Raises SnapshotUnavailable."""
    from metering.reconciliation.redis import shared_counts  # noqa: PLC0415 - embedded mode runs it, and has no Redis

    faults = shared_counts(url).faults
    for fault in faults[:_MOST_LOGGED]:
        logger.error("reconciliation.redis.mismatch", extra={"subject": fault.what, "reason": fault.sentence})
    return len(faults)


def reconcile(now: datetime) -> int:
    """Compare windows and receipts with the ledger; return how many mismatch, fifty at most."""
    period = Period(since=now - timedelta(days=_DAYS), until=now)
    wrong = [*wrong_windows(period)[:_MOST_LOGGED], *islice(wrong_receipts(period), _MOST_LOGGED)]
    for found in wrong[:_MOST_LOGGED]:
        logger.error(
            "reconciliation.ledger.mismatch",
            extra={"subject": found.what, "counted": found.recorded, "ledger": found.ledger},
        )
    return len(wrong[:_MOST_LOGGED])
