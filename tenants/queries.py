"""Reads about tenants for commands and pages. Blocking; one query each."""

from __future__ import annotations

import difflib

from tenants.models import ApiKey, Tenant


class UnknownTenant(LookupError):
    """`near` are the similar names."""

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        self.name, self.near = name, near
        super().__init__(f"There is no tenant '{name}'.")


def tenant_named(name: str) -> Tenant:
    """Return the tenant with this name. Raises UnknownTenant."""
    tenant = Tenant.objects.filter(name=name).first()
    if tenant is None:
        names = list(Tenant.objects.order_by("name").values_list("name", flat=True)[:10_000])
        raise UnknownTenant(name, tuple(difflib.get_close_matches(name, names, n=5, cutoff=0.4)))
    return tenant


def key_with_prefix(prefix: str) -> int | None:
    """Return the id of the key with this prefix."""
    return ApiKey.objects.filter(prefix=prefix).values_list("pk", flat=True).first()
