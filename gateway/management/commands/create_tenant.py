"""manage.py create_tenant NAME: create a tenant, with the configured default limits and budget."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from gateway.management.database_errors import database_errors_as_text
from gateway.values.command_lines import typed
from tenants.audit import at_the_shell
from tenants.services import create_tenant


class Command(BaseCommand):
    help = "Make a tenant: who has keys, limits and budgets."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="its name, unique")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with database_errors_as_text():
                tenant = create_tenant(options["name"], actor=at_the_shell())
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=1) from None
        self.stdout.write(f"The tenant {tenant} is there. Its first key: {typed('create_key', str(tenant))}")
