"""Seals the stored secrets anew: for their deployment and for the origin that it leads to now.

This is the only place that opens what was sealed for a bare name. Afterwards such a text opens nowhere, so that
nobody can put one back from a copy of the database. The release before reads the new texts of API keys: it opens them
under the credential's own name, which is what they are sealed for. What it writes meanwhile must be typed again here.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import migrations

from catalog.models import new_seal_id
from catalog.secrets.encryption import CredentialUnreadable, decrypt, key_id
from catalog.secrets.sealing import API_KEY, Seal, destination
from providers.target import SECRET_METADATA


def seal_for_origin(apps: Any, schema_editor: Any) -> None:
    """What cannot be read stays as it is: its row was disabled before and stays so, with the reason."""
    key, providers = settings.SECRETS.encryption_key, settings.GATEWAY.providers
    alias = schema_editor.connection.alias
    credentials = apps.get_model("catalog", "Credential").objects.using(alias)
    for row in apps.get_model("catalog", "Deployment").objects.using(alias).select_related("credential"):
        row.seal_id = row.seal_id or new_seal_id()
        seal = Seal(key, row.seal_id, destination(row.provider, row.endpoint, providers))
        row.metadata = {name: _resealed(seal, name, value) for name, value in row.metadata.items()}
        before = row.credential
        if before is not None and (text := _opened(key, before.name, before.ciphertext)) is not None:
            row.credential = credentials.create(
                name=seal.name_of(API_KEY),
                ciphertext=seal.close(API_KEY, text),
                key_id=key_id(key),
                hint=before.hint,
                updated_at=before.updated_at,
            )
        row.save(update_fields=["seal_id", "metadata", "credential"])
    credentials.filter(deployments=None).delete()


def _resealed(seal: Seal, name: str, value: Any) -> Any:
    text = _opened(seal.key, name, value) if name in SECRET_METADATA and isinstance(value, str) else None
    return value if text is None else seal.close(name, text)


def _opened(key: bytes, name: str, sealed: str) -> str | None:
    try:
        return decrypt(key, name, sealed)
    except CredentialUnreadable:
        return None


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0005_deployment_seal_id"),
    ]

    operations = [
        migrations.RunPython(seal_for_origin, migrations.RunPython.noop),
    ]
