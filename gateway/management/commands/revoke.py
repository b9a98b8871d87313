"""manage.py revoke PREFIX [--here]: end a key, everywhere or, without any store, for the processes of this data_dir."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError
from typing_extensions import override

from gateway.management.database_errors import error_text
from tenants.api_keys.deny_list import DenyList
from tenants.audit import at_the_shell
from tenants.queries import key_with_prefix
from tenants.services import revoke_key

_PREFIX = re.compile(r"(?:sk-)?([A-Za-z0-9_-]{1,32})(?:\..*)?")


class Command(BaseCommand):
    help = "Revoke an API key by its prefix."
    requires_system_checks = ()  # it must work even if nothing else does

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", help="what stands between 'sk-' and the dot of the key")
        parser.add_argument(
            "--here",
            action="store_true",
            help="needs no store: the processes of this data_dir refuse the key within a second",
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        found = _PREFIX.fullmatch(options["prefix"])
        if found is None:
            raise CommandError(
                "That is no prefix. Hint: of the key sk-abc123.secret it is abc123.", returncode=2
            )
        prefix = found[1]
        if options["here"]:
            self._deny(prefix)
        else:
            self._revoke(prefix)

    def _deny(self, prefix: str) -> None:
        if self._is_known(prefix) is False:
            raise CommandError(f"There is no key sk-{prefix}: nothing was denied.", returncode=1)
        try:
            DenyList(settings.GATEWAY.data_dir).add(prefix)
        except OSError as error:
            raise CommandError(f"{settings.GATEWAY.data_dir} cannot be written: {error.strerror}") from None
        self.stdout.write(
            f"sk-{prefix} is refused by the processes of {settings.GATEWAY.data_dir} within a second. "
            f"Run `manage.py revoke {prefix}` once the database is there: it ends the key everywhere."
        )

    def _is_known(self, prefix: str) -> bool | None:
        """Return whether there is such a key; None if the database is unavailable: then the key is denied, too."""
        try:
            return key_with_prefix(prefix) is not None
        except (DatabaseError, InterfaceError) as error:
            self.stderr.write(
                f"Whether there is a key sk-{prefix} could not be looked up. {error_text(error)}"
            )
            return None

    def _revoke(self, prefix: str) -> None:
        try:
            key_id = key_with_prefix(prefix)
            if key_id is None:
                raise CommandError(f"There is no key sk-{prefix}.", returncode=1)
            revoke_key(key_id, actor=at_the_shell(), now=datetime.now(UTC))
        except (DatabaseError, InterfaceError) as error:
            words = " ".join(str(error).split())
            raise CommandError(
                f"{words}. Hint: `manage.py revoke {prefix} --here` needs no database.", returncode=1
            ) from None
        self.stdout.write(f"sk-{prefix} is revoked.")
