"""Whether the secret of the hashes of API keys is the one that the keys in the database were made with.

Another one would refuse every key, without a word: nobody can tell a key of another secret from a wrong one. So its
fingerprint is kept in the database, and who comes with another is refused. Blocking; one small query.
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


def insist(now: datetime) -> None:
    """Raise ConfigError where keys that are still good were made with another secret; remember the first one."""
    ours = pepper_id(settings.SECRETS.pepper)
    known = KnownSecret.objects.filter(name=PEPPER).values_list("fingerprint", flat=True).first()
    if known == ours:
        return
    is_settled = known is None and ApiKey.objects.filter(pepper_id=ours).exists()  # of the release before
    if not is_settled and (orphans := stranded(now).count()):
        raise ConfigError(_refusal(orphans, known or "another one", ours))
    remember()


def stranded(now: datetime) -> QuerySet[ApiKey]:
    """Return the keys that are good but for the secret: made with another one."""
    is_good = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    return ApiKey.objects.filter(is_good).exclude(pepper_id__in=("", pepper_id(settings.SECRETS.pepper)))


def remember() -> None:
    """Let the present secret be the one that counts."""
    fingerprint = pepper_id(settings.SECRETS.pepper)
    KnownSecret.objects.update_or_create(name=PEPPER, defaults={"fingerprint": fingerprint})


@transaction.atomic
def give_up(actor: Actor, now: datetime) -> int:
    """Revoke the keys of the secret before, which nobody can use any more, and let the present one count; return how
    many those were.
    """
    keys = list(stranded(now).values_list("pk", flat=True))
    for key in keys:
        revoke_key(key, actor=actor, now=now)
    remember()
    return len(keys)


def _refusal(orphans: int, known: str, ours: str) -> ConfigProblem:
    config = settings.GATEWAY
    name = "security.pepper" if config.security.pepper else "admin.session.jwt_secret"
    if not (config.security.pepper or config.admin.session.jwt_secret):
        name = str(config.data_dir / "secret")
    keys = "1 API key was" if orphans == 1 else f"{orphans} API keys were"
    what = f"is another secret than the one that {keys} made with ({known}, now {ours}): all would be refused"
    hint = (
        "put the old one back; to change it and keep the keys, set security.pepper and security.encryption_key to the "
        "old one (docs/operations.md#secrets); to give those keys up: manage.py accept_secret"
    )
    return ConfigProblem(name, what, hint)
