"""manage.py export_usage: the ledger on stdout, one call a line. Runs beside a serving gateway; reads only."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from typing_extensions import override

from gateway.management.database_errors import database_errors_as_text
from gateway.management.period_command import PeriodCommand
from metering.ledger.exports import Period, calls, csv_head, csv_line, json_line
from tenants.queries import UnknownTenant


class Command(PeriodCommand):
    help = "Write every call of the ledger to stdout, oldest first."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
        parser.add_argument("--tenant", default="", help="only calls of the tenant with this name")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        period = self.period(options)
        try:
            with database_errors_as_text():
                self._write(period, options["tenant"], as_csv=options["format"] == "csv")
        except UnknownTenant as error:
            near = f" Did you mean: {', '.join(error.near)}?" if error.near else ""
            raise CommandError(f"{error}{near}", returncode=1) from None
        except BrokenPipeError:  # `| head` closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _write(self, period: Period, tenant: str, *, as_csv: bool) -> None:
        found = calls(period, tenant)
        line_of = csv_line if as_csv else json_line
        if as_csv:
            self.stdout.write(csv_head())
        for call in found:
            self.stdout.write(line_of(call))
        self.stdout.flush()
