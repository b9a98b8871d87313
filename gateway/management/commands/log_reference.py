"""Prints the tables of every log event, or writes them into docs/log-events.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from typing_extensions import override

from gateway.management.log_reference import reference, rewritten

if TYPE_CHECKING:
    from argparse import ArgumentParser

PAGE = Path(__file__).resolve().parents[3] / "docs" / "log-events.md"


class Command(BaseCommand):
    help = "Print the tables of every log event."
    requires_system_checks = ()  # it reads only the table of events

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help="write them into docs/log-events.md instead")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if options["write"]:
            PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            self.stdout.write(reference())
