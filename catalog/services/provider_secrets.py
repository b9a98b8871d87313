"""The secrets of a deployment: write-only, bound to its origin. Another origin needs each of them again. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.conf import settings
from django.utils.timezone import now as current_time

from catalog.models import Credential, Deployment, new_seal_id
from catalog.secrets.encryption import key_id
from catalog.secrets.sealing import API_KEY, Seal, close_metadata, destination
from gateway.config.normalization import bare

HINT_LENGTH = 4
SHORTEST_HINTED = 12  # of a shorter secret, four characters would reveal too much


class KeyNeeded(Exception):
    """A deployment was given another origin and not the key for it: the stored key stays with its own origin."""

    def __init__(self, before: str, after: str) -> None:
        self.before, self.after = before, after
        was = f"for {before}" if before else "for another address"
        super().__init__(f"The stored key is {was}. Type the key for {after or 'the new address'} again.")


class GivenSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What an administrator typed. `api_key` None keeps the stored credential, an empty text removes it.

    `metadata` is all of it in the clear; a secret that is None keeps what is stored under its name.
    """

    api_key: str | None = None
    metadata: Mapping[str, str | None] = {}


class SealedSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What `save_deployment` takes. `refused`: why stored secrets may not be kept, by name; "api_key" is one."""

    seal: Seal
    api_key: str | None
    metadata: dict[str, Any]
    refused: dict[str, KeyNeeded]


def seal_secrets(
    stored: Deployment, given: GivenSecrets, *, provider: str, endpoint: str, key: bytes
) -> SealedSecrets:
    """Seal what was given for the origin that the deployment is to have. `stored`: the row before its change."""
    origin_before = seal_of(stored, key).origin if stored.pk else ""
    origin = destination(provider, endpoint, settings.GATEWAY.providers)
    seal = Seal(key, stored.seal_id or new_seal_id(), origin)
    refused: dict[str, KeyNeeded] = {}
    if given.api_key is None and not _keeps_key(stored, seal, origin_before):
        refused[API_KEY] = KeyNeeded(origin_before, origin)
    typed = {name: value for name, value in given.metadata.items() if value is not None}
    metadata = close_metadata(seal, typed)
    for name in given.metadata.keys() - typed.keys():
        metadata[name] = sealed = str(stored.metadata.get(name, ""))
        if not sealed or not (origin == origin_before or seal.opens(name, sealed)):
            refused[name] = KeyNeeded(origin_before, origin)
    ordered = {name: metadata[name] for name in given.metadata}
    return SealedSecrets(seal=seal, api_key=given.api_key, metadata=ordered, refused=refused)


def seal_of(row: Deployment, key: bytes) -> Seal:
    """Return what the row's secrets are sealed for, as the row is now."""
    return Seal(key, row.seal_id or "", destination(row.provider, row.endpoint, settings.GATEWAY.providers))


def set_deployment_key(row: Deployment, api_key: str, seal: Seal) -> None:
    """Give a deployment a credential of its own, or none for an empty text. The caller saves the deployment."""
    before = row.credential
    is_own = before is not None and not before.deployments.exclude(pk=row.pk).exists()
    if not api_key:
        row.credential = None
        if before is not None and is_own:
            before.delete()
        return
    credential = before if before is not None and is_own else Credential()
    seal_into(credential, api_key, seal)
    credential.save()
    row.credential = credential


def seal_into(row: Credential, plaintext: str, seal: Seal) -> None:
    """Seal a secret into a row, without what was pasted around it; the caller saves."""
    plaintext = bare(plaintext)
    row.name = seal.name_of(API_KEY)
    row.ciphertext = seal.close(API_KEY, plaintext)
    row.key_id = key_id(seal.key)
    row.hint = plaintext[-HINT_LENGTH:] if len(plaintext) >= SHORTEST_HINTED else ""
    row.updated_at = current_time()


def _keeps_key(row: Deployment, seal: Seal, origin_before: str) -> bool:
    """Whether the stored credential may stay: not if the row has another origin than it was sealed for."""
    stored = row.credential
    return stored is None or seal.origin == origin_before or seal.opens(API_KEY, stored.ciphertext)
