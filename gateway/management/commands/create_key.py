"""manage.py create_key TENANT: create a key. The token is the only output on stdout, so that a script can read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from typing_extensions import override

from budgets.services import set_budget
from gateway.config.fields import MOST_USD
from gateway.management.database_errors import database_errors_as_text
from gateway.management.money_arguments import nanousd_of
from gateway.server.known_secret import check_secret
from gateway.values.command_lines import typed
from tenants.audit import at_the_shell
from tenants.caller import SCOPES
from tenants.queries import UnknownTenant, tenant_named
from tenants.services import NewKey, create_key

if TYPE_CHECKING:
    from tenants.models import Tenant


class Command(BaseCommand):
    help = "Mint an API key for a tenant and print it once."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's name")
        parser.add_argument("--name", default="created in the shell", help="what people call the key")
        parser.add_argument("--scopes", default="", help=f"comma-separated: {', '.join(SCOPES)}; empty: all")
        parser.add_argument(
            "--expires", default="", help="ISO 8601, such as 2030-01-31 or 2030-01-31T12:00:00Z"
        )
        parser.add_argument("--budget-usd", default="", help="a budget of its own, in the default schedule")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        new = NewKey(
            name=options["name"][:200],
            scopes=_scopes(options["scopes"]),
            expires_at=_instant(options["expires"], datetime.now(UTC)),
        )
        limit = _nanousd(options["budget_usd"])
        budgets, actor = settings.GATEWAY.budgets, at_the_shell()
        with database_errors_as_text():
            check_secret(datetime.now(UTC))
            tenant = _tenant(options["tenant"])
            with transaction.atomic():
                issued = create_key(tenant, new, pepper=settings.SECRETS.pepper, actor=actor)
                if limit is not None:
                    ratio = budgets.warning_threshold_perc
                    set_budget(issued.key, limit, budgets.refresh_schedule, actor=actor, warning_ratio=ratio)
        self.stderr.write(f"The key {issued.key} of {tenant}; it is not shown again:", self.style.SUCCESS)
        self.stdout.write(issued.token)


def _tenant(name: str) -> Tenant:
    try:
        return tenant_named(name)
    except UnknownTenant as error:
        near = f"Did you mean: {', '.join(error.near)}?" if error.near else ""
        hint = near or f"Hint: {typed('create_tenant', name)}"
        raise CommandError(f"{error} {hint}", returncode=1) from None


def _scopes(text: str) -> tuple[str, ...]:
    scopes = tuple(scope.strip() for scope in text.split(",") if scope.strip())
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise CommandError(
            f"--scopes: unknown {', '.join(unknown)}; there are {', '.join(SCOPES)}", returncode=2
        )
    return scopes


def _instant(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--expires: {text!r} is not an ISO 8601 instant", returncode=2) from None
    instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if instant <= now:
        raise CommandError(f"--expires: {text} is in the past", returncode=2)
    return instant


def _nanousd(text: str) -> int | None:
    if not text:
        return None
    nanousd = nanousd_of(text)
    if not nanousd:
        raise CommandError(
            f"--budget-usd: {text!r} is not an amount above 0 and up to {MOST_USD:,}", returncode=2
        )
    return nanousd
