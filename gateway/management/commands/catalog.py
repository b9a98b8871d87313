"""manage.py catalog facts ALIAS [--write]: what the vendors say of an alias's models, against what is stored."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from gateway.management.database_errors import database_errors_as_text
from gateway.values.command_lines import typed
from tenants.audit import at_the_shell


class Command(BaseCommand):
    help = "Look after the catalog of models."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True, metavar="facts")
        facts = parts.add_parser("facts", help="ask the vendors of an alias what they say of its models")
        facts.add_argument("alias", help="the model's name for clients")
        facts.add_argument("--write", action="store_true", help="store what they say")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        from catalog.models import Model  # noqa: PLC0415 - imports the models
        from gateway.management.model_facts import compare, deployments_of, store, table  # noqa: PLC0415 - as above

        alias = options["alias"]
        with database_errors_as_text():
            try:
                rows = deployments_of(alias)
            except Model.DoesNotExist:
                raise CommandError(f"There is no model {alias}.", returncode=1) from None
            compared = compare(rows)
            for line in table(compared):
                self.stdout.write(line)
            for each in compared:
                if not each.answer.has_page:
                    self.stdout.write(f"{each.name}: its vendor publishes no facts of its models.")
                elif not each.answer.error and not each.differences:
                    self.stdout.write(f"{each.name}: nothing differs.")
            if options["write"]:
                number = store(compared, actor=at_the_shell())
                self.stdout.write(f"Stored at {number} deployment{'s' * (number != 1)}.")
            elif any(each.differences for each in compared):
                self.stdout.write(f"To store it: {typed('catalog', 'facts', alias, '--write')}")
        failed = [
            f"{each.name} could not be asked: {each.answer.error}" for each in compared if each.answer.error
        ]
        if failed:
            raise CommandError("\n".join(failed), returncode=1)
