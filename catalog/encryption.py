"""Credentials at rest: AES-256-GCM, bound to the name they are stored under. Pure; about 10 us each way.

Sealed text is `v1:<key id>:<nonce>:<ciphertext and tag>` in url-safe base64 without padding.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECRET_METADATA = frozenset(
    {"gcp_credentials_json", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
)
_VERSION = "v1"
_NONCE_BYTES = 12


class CredentialUnreadable(Exception):
    """The text was sealed with another key or for another name, or is damaged."""

    def __init__(self, name: str, sealed_with: str = "") -> None:
        self.name, self.sealed_with = name, sealed_with
        super().__init__(f"the stored credential '{name}' cannot be read with this encryption key")


def key_id(key: bytes) -> str:
    """Return a name for the key that says nothing about it."""
    return hashlib.sha256(b"name of this encryption key" + key).hexdigest()[:8]


def encrypt(key: bytes, name: str, plaintext: str) -> str:
    """Return the sealed text, which opens only under the same name."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plaintext.encode(), name.encode())
    return f"{_VERSION}:{key_id(key)}:{_encode(nonce)}:{_encode(sealed)}"


def decrypt(key: bytes, name: str, sealed: str) -> str:
    """Return the plaintext. Raises CredentialUnreadable."""
    version, _, rest = sealed.partition(":")
    sealed_with, _, rest = rest.partition(":")
    nonce, _, ciphertext = rest.partition(":")
    if version != _VERSION or sealed_with != key_id(key):
        raise CredentialUnreadable(name, sealed_with)
    try:
        return AESGCM(key).decrypt(_decode(nonce), _decode(ciphertext), name.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise CredentialUnreadable(name, sealed_with) from error


def seal_metadata(key: bytes, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata with its secrets sealed; what already is sealed stays as it is."""
    return {
        name: encrypt(key, name, value) if _is_bare_secret(name, value) else value
        for name, value in metadata.items()
    }


def open_metadata(key: bytes, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata as texts with every secret in the clear. Raises CredentialUnreadable."""
    return {
        name: decrypt(key, name, value) if _is_sealed_secret(name, value) else str(value)
        for name, value in metadata.items()
    }


def _is_bare_secret(name: str, value: object) -> bool:
    return name in SECRET_METADATA and isinstance(value, str) and not _is_sealed_secret(name, value)


def _is_sealed_secret(name: str, value: object) -> bool:
    return name in SECRET_METADATA and isinstance(value, str) and value.startswith(f"{_VERSION}:")


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
