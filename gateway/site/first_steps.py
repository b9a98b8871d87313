"""What is still missing before a request can be served, as commands to copy. Blocking; six small queries."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from catalog.models import Deployment
from gateway.config.sections.bootstrap import Bootstrap
from gateway.values.command_lines import typed
from tenants.models import ApiKey, BootstrapItem, Tenant, User


def first_steps(address: str = "") -> list[str]:
    """Return the next steps, one line each; empty where there are people, tenants, keys and models."""
    return list(_steps(address))


def _steps(address: str) -> Iterator[str]:
    file = settings.GATEWAY
    # What the first start will create; later the section creates nothing more.
    start = Bootstrap() if BootstrapItem.objects.exists() else file.bootstrap
    people = User.objects.filter(is_superuser=True, is_active=True)
    if not (any(each.is_super_admin for each in start.admin_users) or people.exists()):
        yield f"no account can sign in yet: {typed('createsuperuser')}"
    is_unread = bool(file.model_catalog) and not Deployment.objects.exists()  # no start has read the file yet
    if not (is_unread or Deployment.objects.filter(removed=False, model__removed=False).exists()):
        where = f"{address}/admin/ui/" if address else "the back office"
        path = file.file or "router.yaml"
        yield f"there is no model yet: add one in {where}, or to model_catalog in {path} (docs/configuration.md)"
    names = [
        *(each.name for each in start.tenants),
        *Tenant.objects.order_by("pk").values_list("name", flat=True)[:1],
    ]
    if not names:
        yield f"there is no tenant yet: {typed('create_tenant', 'my-team')}"
    if not (start.api_keys or ApiKey.objects.filter(revoked_at=None).exists()):
        yield f"there is no key yet: {typed('create_key', names[0] if names else 'my-team')}"
