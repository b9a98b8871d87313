"""The text that is printed once the gateway listens, with a key and a login only if they still work. Blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from gateway.values.command_lines import typed
from tenants.api_keys.tokens import matches
from tenants.models import ApiKey, TenantStatus, User

if TYPE_CHECKING:
    from gateway.config.sections.bootstrap import Bootstrap

REVOKED = "$YOUR_KEY"


def filled_in(text: str) -> str:
    """Return the text with `{key}`, `{token}` and `{login}` replaced; the server fills in the addresses."""
    section = settings.GATEWAY.bootstrap
    token = _token(section)
    login = _login(section)
    tenant = next((key.tenant for key in section.api_keys), "TENANT")
    words = {
        "{key}": token or f"those of the file no longer work; make one: {typed('create_key', tenant)}",
        "{token}": token or REVOKED,
        "{login}": login or f"as you have set it; forgotten: {typed('changepassword', 'EMAIL')}",
    }
    for name, word in words.items():
        text = text.replace(name, word.replace("{", "{{").replace("}", "}}"))
    return text


def _token(section: Bootstrap) -> str:
    """Return the file's first key that works."""
    for wanted in section.api_keys:
        row = ApiKey.objects.filter(prefix=wanted.prefix, revoked_at=None).select_related("tenant").first()
        if row is None or not wanted.secret or row.tenant.status != TenantStatus.ACTIVE:
            continue
        if matches(settings.SECRETS.pepper, row.prefix, wanted.secret, row.secret_hmac):
            return f"sk-{row.prefix}.{wanted.secret}"
    return ""


def _login(section: Bootstrap) -> str:
    for wanted in section.admin_users:
        person = User.objects.filter(email=wanted.email, is_active=True).first()
        if person is not None and wanted.password and person.check_password(wanted.password):
            return f"{wanted.email} / {wanted.password}"
    return ""
