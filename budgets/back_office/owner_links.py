"""The owner of a rule or of money, by name and with a link. Blocking where queries are stated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.html import format_html

from tenants.models import ApiKey, Tenant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.safestring import SafeString

Owner = Tenant | ApiKey


def link(owner: Owner | None, scope: str = "") -> SafeString | str:
    """Return the owner's name with a link to its page; for a deleted one its kind and number."""
    if owner is None:
        kind, _, number = scope.partition(":")
        return f"deleted {'API key' if kind == 'key' else kind} {number}".strip()
    page = "tenant" if isinstance(owner, Tenant) else "apikey"
    return format_html(
        '<a class="text-link" href="{}">{}</a>',
        reverse(f"admin:tenants_{page}_change", args=[owner.pk]),
        str(owner),
    )


def owners_of(scopes: Iterable[str]) -> dict[str, Owner]:
    """Return tenants and keys by scope ("tenant:3", "key:7"). Two queries."""
    ids: dict[str, set[int]] = {"tenant": set(), "key": set()}
    for scope in scopes:
        kind, _, number = scope.partition(":")
        if kind in ids and number.isdecimal():
            ids[kind].add(int(number))
    found: dict[str, Owner] = {
        f"tenant:{pk}": row for pk, row in Tenant.objects.in_bulk(ids["tenant"]).items()
    }
    return found | {f"key:{pk}": row for pk, row in ApiKey.objects.in_bulk(ids["key"]).items()}


def scopes_named(text: str, most: int = 200) -> list[str]:
    """Return the scopes of tenants and keys with this text in their name, or this prefix. Two queries."""
    tenants = Tenant.objects.filter(name__icontains=text).values_list("pk", flat=True)[:most]
    prefix = text.removeprefix("sk-").partition(".")[0]
    keys = ApiKey.objects.filter(name__icontains=text) | ApiKey.objects.filter(prefix=prefix)
    found = [f"key:{pk}" for pk in keys.values_list("pk", flat=True)[:most]]
    return [*(f"tenant:{pk}" for pk in tenants), *found]
