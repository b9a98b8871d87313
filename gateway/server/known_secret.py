"""Whether the secret for API key hashes is the one that the keys in the database were made with.

Another one would refuse every key, without a message: a key of another secret looks like a wrong one. So the secret's
fingerprint is kept in the database, and a start with another is refused. Blocking; one small query.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from gateway.config import ConfigError
from gateway.config.errors import ConfigProblem
from gateway.models import KnownSecret
from tenants.api_keys.tokens import pepper_id
from tenants.audit import Actor
from tenants.models import ApiKey
from tenants.services import revoke_key

PEPPER = "pepper"


def check_secret(now: datetime) -> None:
    """Raise ConfigError if valid keys were made with another secret; store the first secret's fingerprint."""
    current = pepper_id(settings.SECRETS.pepper)
    known = KnownSecret.objects.filter(name=PEPPER).values_list("fingerprint", flat=True).first()
    if known == current:
        return
    is_settled = (
        known is None and ApiKey.objects.filter(pepper_id=current).exists()
    )  # of the previous release
    if not is_settled and (orphans := keys_of_other_secret(now).count()):
        raise ConfigError(_refusal(orphans, known or "another one", current))
    store_fingerprint()


def keys_of_other_secret(now: datetime) -> QuerySet[ApiKey]:
    """Return the keys that are valid but were made with another secret."""
    is_good = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    return ApiKey.objects.filter(is_good).exclude(pepper_id__in=("", pepper_id(settings.SECRETS.pepper)))


def store_fingerprint() -> None:
    """Store the present secret's fingerprint as the known one."""
    fingerprint = pepper_id(settings.SECRETS.pepper)
    KnownSecret.objects.update_or_create(name=PEPPER, defaults={"fingerprint": fingerprint})


@transaction.atomic
def accept_secret(actor: Actor, now: datetime) -> int:
    """Revoke the keys of the previous secret, which no longer work, and accept the present one; return how many were
    revoked.
    """
    keys = list(keys_of_other_secret(now).values_list("pk", flat=True))
    for key in keys:
        revoke_key(key, actor=actor, now=now)
    store_fingerprint()
    return len(keys)


def _refusal(orphans: int, known: str, current: str) -> ConfigProblem:
    config = settings.GATEWAY
    name = "security.pepper" if config.security.pepper else "admin.session.jwt_secret"
    if not (config.security.pepper or config.admin.session.jwt_secret):
        name = str(config.data_dir / "secret")
    keys = "1 API key was" if orphans == 1 else f"{orphans} API keys were"
    what = (
        f"is another secret than the one that {keys} made with ({known}, now {current}): all would be refused"
    )
    hint = (
        "put the old one back; to change it and keep the keys, set security.pepper and security.encryption_key to the "
        "old one (docs/operations.md#secrets); to give those keys up: manage.py accept_secret"
    )
    return ConfigProblem(name, what, hint)
