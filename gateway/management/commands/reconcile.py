"""manage.py reconcile: compare the ledger, window totals, receipts and journals. Exit 1 if they differ."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.conf import settings
from typing_extensions import override

from gateway.management.database_errors import database_errors_as_text
from gateway.management.period_command import PeriodCommand
from gateway.values.money import usd_aligned
from metering.ledger.exports import Period
from metering.reconciliation import ledger
from metering.reconciliation.ledger import Day, Disagreement, JournalState, Sums

if TYPE_CHECKING:
    from gateway.config import Config
    from metering.reconciliation.redis import SharedCounts

_MOST_SHOWN = 50


class Command(PeriodCommand):
    help = "Compare the ledger with everything that speaks of the same money; list what disagrees."

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        period = self.period(options)
        with database_errors_as_text():
            faults = self._report(period)
        if faults:
            self.stdout.write(f"\n{len(faults)} disagree:")
            for fault in faults[:_MOST_SHOWN]:
                self.stdout.write(f"  {fault}")
            if len(faults) > _MOST_SHOWN:
                self.stdout.write(f"  and {len(faults) - _MOST_SHOWN} more")
            sys.exit(1)
        self.stdout.write("\nEverything agrees.")

    def _report(self, period: Period) -> list[str]:
        """Print the days and the journals; return what is wrong."""
        self._days(ledger.days(period))
        root = settings.DATA_DIR / "journal"
        journals = ledger.journals(root)
        for journal in journals:
            self.stdout.write(_of_journal(journal))
        for name in ledger.orphaned_journals(root):
            self.stdout.write(f"set aside for you: {root / name}")
        return [
            *self._shared(settings.GATEWAY),
            *(_of_amounts(wrong) for wrong in ledger.wrong_windows(period)),
            *(_of_amounts(wrong) for wrong in ledger.wrong_receipts(period)),
            *(
                f"journal {journal.name} of a process that ended: {journal.ended + journal.running} calls are not in "
                "the ledger; the next start brings them there"
                for journal in journals
                if not journal.is_alive and journal.ended + journal.running
            ),
        ]

    def _shared(self, config: Config) -> list[str]:
        """Print what Redis counts, in production mode; return what is wrong with it."""
        if config.embedded:
            return []
        from budgets.redis.snapshot import SnapshotUnavailable  # noqa: PLC0415 - Redis is not loaded in embedded mode
        from metering.reconciliation.redis import shared_counts  # noqa: PLC0415

        try:
            counts = shared_counts(config.redis.url)
        except SnapshotUnavailable as away:
            return [f"Redis was not compared: {away}"]
        self.stdout.write(_of_counts(counts))
        return [fault.sentence for fault in counts.faults]

    def _days(self, days: list[Day]) -> None:
        columns = ("opened", "confirmed", "estimated", "incomplete")
        head = "".join(f"{name:>12}{'USD':>17}" for name in columns)
        self.stdout.write(f"{'day (UTC)':<10}{head}")
        for day in days:
            sums: list[Sums] = [getattr(day, name) for name in columns]
            self.stdout.write(
                f"{day.day}" + "".join(f"{s.calls:>12}{usd_aligned(s.cost_nanousd):>17}" for s in sums)
            )
        if not days:
            self.stdout.write("no calls")


def _of_journal(journal: JournalState) -> str:
    state = "serving" if journal.is_alive else "ended"
    return (
        f"journal {journal.name} ({state}): {journal.running} running, "
        f"holding {usd_aligned(journal.held_nanousd)} USD; {journal.ended} ended and not in the ledger yet"
    )


def _of_counts(counts: SharedCounts) -> str:
    text = (
        f"Redis ({counts.tenants} with budgets): {counts.running} running, "
        f"holding {usd_aligned(counts.held_nanousd)} USD; {counts.ended} ended and not in the ledger yet"
    )
    return f"{text}; {counts.unread} not looked at, there are too many" if counts.unread else text


def _of_amounts(wrong: Disagreement) -> str:
    return (
        f"{wrong.what}: {usd_aligned(wrong.recorded)} USD, but the ledger has {usd_aligned(wrong.ledger)} USD"
    )
