"""Prints the tables of docs/providers, or writes them into the pages that have a place for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from gateway.management.provider_reference import UnknownBlock, block, pages, rewritten
from providers.conversation.registry import UPSTREAMS

if TYPE_CHECKING:
    from argparse import ArgumentParser

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "providers"


class Command(BaseCommand):
    help = "Print which client API reaches which provider, and how each provider's API treats parameters."
    requires_system_checks = ()  # it reads only the program

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help="write it into docs/providers instead")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if not options["write"]:
            self.stdout.write(block("matrix", ""))
            for api in UPSTREAMS:
                self.stdout.write(f"\n{api}\n\n{block('parameters', api)}")
            return
        for page in pages(FOLDER):
            try:
                page.write_text(rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
            except UnknownBlock as error:
                raise CommandError(f"{page.name}: {error}", returncode=2) from None
