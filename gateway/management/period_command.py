"""The base of commands about a period of the ledger: --since and --until."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from metering.ledger.exports import Period


class PeriodCommand(BaseCommand):
    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", default="", help="ISO 8601; calls that started then or later")
        parser.add_argument("--until", default="", help="ISO 8601; calls that started before")

    @staticmethod
    def period(options: dict[str, Any]) -> Period:
        """Return the requested period. Raises CommandError."""
        try:
            period = Period.parse(options["since"], options["until"])
        except ValueError as error:
            raise CommandError(f"--since and --until are ISO 8601 instants: {error}", returncode=2) from None
        if period.since is not None and period.until is not None and period.until <= period.since:
            raise CommandError(
                f"--until {options['until']} is not after --since {options['since']}: no call is between them.",
                returncode=2,
            )
        return period
