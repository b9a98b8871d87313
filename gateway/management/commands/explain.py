"""manage.py explain REQUEST_ID: what happened to a call, and why, in sentences. Runs beside a serving gateway."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from typing_extensions import override

from metering.explanation import explain
from metering.lookup import find


class Command(BaseCommand):
    help = "Explain one call, found by its X-Request-ID."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("request_id", help="the X-Request-ID of the answer")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        request_id = options["request_id"].strip()
        try:
            found = find(request_id, settings.DATA_DIR / "journal")
        except DatabaseError as error:
            raise CommandError(f"{error}. Hint: manage.py migrate, or start the gateway once.") from None
        if found is None:
            raise CommandError(
                f"No call {request_id} is known. A call that was refused was never admitted, so it has no row: it is "
                "only in the access log, and its answer said why. The id is the answer's X-Request-ID.",
                returncode=1,
            )
        self.stdout.write(f"Call {request_id}")
        for part in explain(*found):
            self.stdout.write(f"\n{part.title}")
            for sentence in part.sentences:
                self.stdout.write(f"  {sentence}")
