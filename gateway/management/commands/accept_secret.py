"""manage.py accept_secret [--yes]: revoke the API keys that were made with another secret; the current one applies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from gateway.management.confirmation import confirmed
from gateway.management.database_errors import database_errors_as_text
from gateway.server.known_secret import accept_secret, keys_of_other_secret
from gateway.values.quantities import many
from tenants.audit import at_the_shell


class Command(BaseCommand):
    help = "Revoke the API keys that the present secret cannot verify, so that the gateway starts with it."
    requires_system_checks = ()  # it is for a gateway that does not start

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        with database_errors_as_text():
            lost = keys_of_other_secret(now).count()
            if lost and not (options["yes"] or confirmed(f"Revoke {many(lost, 'API key')} for good?")):
                raise CommandError("Nothing was changed.", returncode=1)
            given_up = accept_secret(at_the_shell(), now)
        self.stdout.write(f"Revoked: {many(given_up, 'API key')}. The present secret counts from now on.")
