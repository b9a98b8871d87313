"""manage.py export_usage: the ledger on stdout, one call a line. Runs beside a serving gateway; reads only."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from typing_extensions import override

from metering.exports import Period, calls, csv_head, csv_line, json_line
from tenants.queries import UnknownTenant


class Command(BaseCommand):
    help = "Write every call of the ledger to stdout, oldest first."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
        parser.add_argument("--since", default="", help="ISO 8601; calls that started then or later")
        parser.add_argument("--until", default="", help="ISO 8601; calls that started before")
        parser.add_argument("--tenant", default="", help="only calls of the tenant with this name")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            period = Period.parse(options["since"], options["until"])
        except ValueError as error:
            raise CommandError(f"--since and --until are ISO 8601 instants: {error}", returncode=2) from None
        try:
            self._write(period, options["tenant"], as_csv=options["format"] == "csv")
        except UnknownTenant as error:
            near = f" Did you mean: {', '.join(error.near)}?" if error.near else ""
            raise CommandError(f"{error}{near}", returncode=1) from None
        except DatabaseError as error:
            raise CommandError(f"{error}. Hint: manage.py migrate, or start the gateway once.") from None
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _write(self, period: Period, tenant: str, *, as_csv: bool) -> None:
        found = calls(period, tenant)
        line_of = csv_line if as_csv else json_line
        if as_csv:
            self.stdout.write(csv_head())
        for call in found:
            self.stdout.write(line_of(call))
        self.stdout.flush()
