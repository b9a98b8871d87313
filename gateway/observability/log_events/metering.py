"""Log events of metering: usage, journal, ledger, reconciliation, request log."""

from __future__ import annotations

from typing import Final

from gateway.observability.log_events.event import LogEvent

_NOTHING: Final = "Nothing."
_DISK: Final = "Check the disk of `data_dir`."

JOURNAL: Final = (
    LogEvent(
        "journal.sync.failed",
        "error",
        (),
        "The disk did not take the journal; ends of calls wait until it does.",
        _DISK,
    ),
    LogEvent(
        "journal.write.failed",
        "error",
        ("calls",),
        "Ends of calls could not be written into the journal; they are kept and written again.",
        _DISK,
    ),
    LogEvent(
        "journal.closed_early",
        "error",
        ("calls",),
        "A process stopped before its journal had taken every end of a call.",
        "Check the disk of `data_dir`. The next start bills these calls as calls that were running.",
    ),
    LogEvent(
        "journal.recovered",
        "warning",
        (
            *("journal", "finished", "incomplete", "torn_bytes", "damaged_bytes"),
            *("lost_ids", "rejected_ids"),
        ),
        "The journal of an ended process is in the ledger now.",
        "Nothing, unless `damaged_bytes`, `lost_ids` or `rejected_ids` are there: then check the disk.",
    ),
    LogEvent(
        "journal.not_recovered",
        "error",
        ("journal",),
        "The journal of an ended process could not be brought to the ledger; the other journals were.",
        "See the traceback. It is tried again every ten seconds, and at each start.",
    ),
    LogEvent(
        "journal.recovery.delayed",
        "error",
        (),
        "Crash recovery failed when the end of a worker was reported.",
        "Check the database. It is tried again every ten seconds.",
    ),
)

LEDGER: Final = (
    LogEvent(
        "ledger.batch.failed",
        "error",
        ("failures",),
        "The database did not take a batch of ended calls; the journal keeps them.",
        "Check the database. The batch is tried again within five seconds.",
    ),
    LogEvent(
        "ledger.call.rejected",
        "error",
        ("request_id", "path"),
        "The ledger does not accept a call; its records are kept in a file of their own.",
        "Report it with the traceback, and keep the file.",
    ),
    LogEvent(
        "ledger.hours.rolled_up",
        "info",
        ("hours",),
        "Sums of changed hours were made.",
        _NOTHING,
    ),
    LogEvent(
        "ledger.calls.expired",
        "info",
        ("calls", "blanked"),
        "`retention.*` deleted calls, or blanked what their clients wrote.",
        _NOTHING,
    ),
    LogEvent(
        "request_log.row.left_out",
        "error",
        ("request_id", "error"),
        "The database does not accept a row of the request log.",
        "Report it.",
    ),
    LogEvent(
        "request_log.rows.expired",
        "info",
        ("rows",),
        "`retention.request_log_*` deleted rows of the request log.",
        _NOTHING,
    ),
)

MONEY: Final = (
    LogEvent(
        "usage.not_counted",
        "error",
        ("request_id",),
        "The usage of an answer could not be counted; it is estimated from its length.",
        "Report it with the traceback.",
    ),
    LogEvent(
        "usage.disputed",
        "warning",
        ("request_id", "provider", "deployment", "disputed_nanousd", "charged_nanousd"),
        "A provider reported more than the call was allowed to cost; the tenant is not charged for the rest.",
        "Ask the provider, and check the deployment's price. The call's row has the figures.",
    ),
    LogEvent(
        "settlement.disputed",
        "warning",
        ("request_id", "disputed_nanousd"),
        "A call was settled for more than its budgets count; the tenant is not charged for the rest.",
        "Check the figures that it was settled with.",
    ),
    LogEvent(
        "reconciliation.ledger.mismatch",
        "error",
        ("subject", "counted", "ledger"),
        "A window or a receipt does not agree with the ledger.",
        "Run `manage.py reconcile`, and report it.",
    ),
    LogEvent(
        "reconciliation.redis.mismatch",
        "error",
        ("subject", "reason"),
        "Redis does not count what the ledger has.",
        "Run `manage.py reconcile`; `FLUSHDB` restores the counts ([backup](operations.md#backup)).",
    ),
)
