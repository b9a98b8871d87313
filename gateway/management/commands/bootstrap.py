"""manage.py bootstrap [--update]: apply the file's bootstrap section and catalog to the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from typing_extensions import override

from catalog.sync import sync_catalog
from gateway.bootstrap import bootstrap
from gateway.management.database_errors import database_errors_as_text
from gateway.server.known_secret import check_secret
from tenants.audit import at_the_shell


class Command(BaseCommand):
    help = "Create what the configuration names and is missing; running servers notice within two seconds."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--update",
            action="store_true",
            help="also overwrite what was changed or deleted in admin (never passwords)",
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        with database_errors_as_text():
            check_secret(datetime.now(UTC))
            messages = bootstrap(settings.GATEWAY, update=options["update"], actor=at_the_shell("bootstrap"))
            if sync_catalog(settings.GATEWAY, update=options["update"]):
                messages.append("Brought the catalog in line with the file.")
        for message in messages or ["Nothing to do: everything is already there."]:
            self.stdout.write(message)
