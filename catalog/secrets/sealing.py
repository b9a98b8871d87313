"""What the secrets of a deployment are sealed for: its own row and the origin (scheme, host, port) that gets them.

A secret opens only in the row it was given to, under its own name, and while the row has the same origin. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from catalog.secrets.encryption import CredentialUnreadable, decrypt, encrypt
from providers.registry import PROVIDERS, default_base_url
from providers.target import SECRET_METADATA
from providers.transport.request_head import origin_text

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers

API_KEY = "api_key"


class Seal(msgspec.Struct, frozen=True):
    """`row` is the deployment's `seal_id`; a row without one has no secret that opens."""

    key: bytes
    row: str
    origin: str

    def name_of(self, field: str) -> str:
        """Return the associated data of a field's ciphertext. For the API key it is also the credential's name."""
        return f"deployment {self.row} {field} for {self.origin}"

    def close(self, field: str, plaintext: str) -> str:
        return encrypt(self.key, self.name_of(field), plaintext)

    def open(self, field: str, sealed: str) -> str:
        """Return the plaintext. Raises CredentialUnreadable, with the field's name."""
        try:
            return decrypt(self.key, self.name_of(field), sealed)
        except CredentialUnreadable as error:
            raise CredentialUnreadable(field, error.sealed_with) from error

    def opens(self, field: str, sealed: str) -> bool:
        try:
            self.open(field, sealed)
        except CredentialUnreadable:
            return False
        return True


def destination(provider: str, endpoint: str, providers: Providers) -> str:
    """Return the origin that a deployment's calls go to; "" while there is none."""
    if provider == "simulator" or (provider not in PROVIDERS and not endpoint):
        return f"provider {provider}"
    return origin_text(endpoint or default_base_url(provider, providers))


def close_metadata(seal: Seal, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain metadata with its secrets sealed."""
    return {
        name: seal.close(name, value) if _is_secret(name, value) else value
        for name, value in metadata.items()
    }


def open_metadata(seal: Seal, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return stored metadata as texts, every secret decrypted. Raises CredentialUnreadable."""
    return {
        name: seal.open(name, value) if _is_secret(name, value) else str(value)
        for name, value in metadata.items()
    }


def without_secrets(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name not in SECRET_METADATA}


def _is_secret(name: str, value: object) -> bool:
    return name in SECRET_METADATA and isinstance(value, str) and bool(value)
