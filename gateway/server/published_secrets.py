"""Secrets of the published demo that are in the database: an earlier start, with another file, may have left them.

Refused where other machines reach the gateway. Blocking: two rows, and one hash of a password.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from gateway.config import ConfigError
from gateway.config.checks.reachable import reached_at
from gateway.config.errors import ConfigProblem
from tenants.api_keys.tokens import matches
from tenants.models import ApiKey, User

KEY = ("demo", "my-secret")  # as in deploy/demo.yaml
LOGIN = ("admin@example.com", "admin-password")


def refuse_stored(*hosts: str) -> None:
    """Raise ConfigError if other machines reach these hosts, also by a proxy, and a published secret still works."""
    open_to = reached_at(settings.GATEWAY, *hosts)
    if open_to and (problems := list(_stored(open_to))):
        raise ConfigError(*problems)


def _stored(open_to: str) -> Iterator[ConfigProblem]:
    what = f"still works here, everybody can read it in the demo, and other machines reach {open_to}"
    prefix, secret = KEY
    row = ApiKey.objects.filter(prefix=prefix, revoked_at=None).first()
    if row is not None and matches(settings.SECRETS.pepper, prefix, secret, row.secret_hmac):
        yield ConfigProblem(f"the key sk-{prefix}.{secret}", what, f"manage.py revoke {prefix}")
    email, password = LOGIN
    person = User.objects.filter(email=email, is_active=True).first()
    if person is not None and person.check_password(password):
        yield ConfigProblem(f"the password of {email}", what, f"manage.py changepassword {email}")
