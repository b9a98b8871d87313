"""manage.py explain REQUEST_ID: what happened to a call, and why, in sentences. Runs beside a serving gateway."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from gateway.management.database_errors import database_errors_as_text
from metering.explain.refusal_story import explain_refusal
from metering.explain.story import explain
from metering.explain.text import instant
from metering.ledger.lookup import counted_at, find, moment_of
from metering.models import LoggedRequest


class Command(BaseCommand):
    help = "Explain one call, found by its X-Request-ID."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("request_id", help="the X-Request-ID of the answer")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        request_id = options["request_id"].strip()
        with database_errors_as_text():
            found = find(request_id, settings.DATA_DIR / "journal")
            unknown = _why_not(request_id) if found is None else ""
        if found is None:
            raise CommandError(unknown, returncode=1)
        self.stdout.write(f"Call {request_id}")
        for part in explain_refusal(found) if isinstance(found, LoggedRequest) else explain(*found):
            self.stdout.write(f"\n{part.title}")
            for sentence in part.sentences:
                self.stdout.write(f"  {sentence}")


def _why_not(request_id: str) -> str:
    """Return why an id may not be found, as far as its timestamp shows it."""
    moment = moment_of(request_id)
    if moment is None:
        return (
            f"No call {request_id} is known. An X-Request-ID is req_ and 32 digits and letters from a to f."
        )
    text = f"No call {request_id} is known. It was made on {instant(moment)}."
    for row in counted_at(moment):
        text += (
            f" {row.alike:,} calls with HTTP {row.http_status} ({row.error_code}) were only counted around then, as "
            f"more like {row.pk}."
        )
    return (
        f"{text} A refused call is in the request log a second after its answer, for as long as `retention` says; "
        "the access log has every call."
    )
