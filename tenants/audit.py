"""The audit trail: who changed what, before and after. Written in the caller's transaction; never a secret."""

from __future__ import annotations

import json
import os
import pwd
from typing import TYPE_CHECKING, Any

import msgspec
from django.core.serializers.json import DjangoJSONEncoder

from tenants.models import AuditEvent

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

LONGEST_NAME = 200
SECRET_FIELDS = frozenset({"password", "secret_hmac", "previous_hmac", "ciphertext"})
SECRET_MAPS = frozenset({"metadata"})  # provider settings may hold credentials: only their names are recorded


class Actor(msgspec.Struct, frozen=True):
    """The author of a change: an e-mail address, or the part of the program ("bootstrap", "shell")."""

    name: str
    ip: str = ""
    user_agent: str = ""


def actor_of(request: HttpRequest) -> Actor:
    """Return the person behind a request of the ordinary site."""
    name = request.user.get_username() if request.user.is_authenticated else "anonymous"
    address = str(request.META.get("REMOTE_ADDR") or "")
    return Actor(name, address, request.headers.get("User-Agent", "")[:400])


def at_the_shell(what: str = "shell") -> Actor:
    """Return the person at the shell: the operating system's user, and the user who ran sudo."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # a container may run as a numeric id without a name
        name = f"uid {number}"
    sudo_user = os.environ.get("SUDO_USER", "")[:64] if number == 0 else ""
    is_sudo = sudo_user not in {"", name}
    return Actor(f"{what} ({name}, sudo by {sudo_user})" if is_sudo else f"{what} ({name})")


def facts_of(row: Model) -> dict[str, Any]:
    """Return a row's columns as JSON values, without the secret ones."""
    facts = {
        field.attname: _recorded(field.attname, getattr(row, field.attname))
        for field in row._meta.concrete_fields  # noqa: SLF001 - Django's documented model API
        if field.attname not in SECRET_FIELDS
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts, cls=DjangoJSONEncoder))
    return plain


def record(
    actor: Actor, action: str, row: Model, *, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    """Write an audit row."""
    AuditEvent.objects.create(
        actor=actor.name,
        action=action,
        resource=row._meta.model_name or "",  # noqa: SLF001 - Django's documented model API
        resource_id=str(row.pk),
        name=str(row)[:LONGEST_NAME],
        before=before,
        after=after,
        ip=actor.ip,
        user_agent=actor.user_agent,
    )


def _recorded(name: str, value: Any) -> Any:
    """Return the value of a column; of a map that may hold secrets, its names only."""
    return sorted(value) if name in SECRET_MAPS and isinstance(value, dict) else value
