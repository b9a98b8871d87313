"""What is still missing before anybody can be served, as commands that can be copied. Blocking; four small queries."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from catalog.models import Deployment
from gateway.management.typing_it import typed
from tenants.models import ApiKey, Tenant, User


def first_steps(address: str = "") -> list[str]:
    """Return what to do next, one line each; nothing where there are people, tenants, keys and models."""
    return list(_steps(address))


def _steps(address: str) -> Iterator[str]:
    if not User.objects.filter(is_superuser=True, is_active=True).exists():
        yield f"nobody can sign in yet: {typed('createsuperuser')}"
    if not Deployment.objects.filter(removed=False, model__removed=False).exists():
        where = f"{address}/admin/ui/" if address else "the back office"
        file = settings.GATEWAY.file or "router.yaml"
        yield f"there is no model yet: add one in {where}, or to model_catalog in {file} (docs/configuration.md)"
    tenant = Tenant.objects.order_by("pk").values_list("name", flat=True).first()
    if tenant is None:
        yield f"there is no tenant yet: {typed('create_tenant', 'my-team')}"
    if not ApiKey.objects.filter(revoked_at=None).exists():
        yield f"there is no key yet: {typed('create_key', tenant or 'my-team')}"
