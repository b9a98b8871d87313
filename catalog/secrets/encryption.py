"""Secrets at rest: AES-256-GCM, bound to the name they are sealed under (catalog/secrets/sealing.py). Pure; 10 us
each way.

Sealed text is `v1:<key id>:<nonce>:<ciphertext and tag>` in url-safe base64 without padding.
"""

from __future__ import annotations

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = "v1"
_NONCE_BYTES = 12


class CredentialUnreadable(Exception):
    """The text was sealed with another key or for another name, or is damaged."""

    def __init__(self, name: str, sealed_with: str = "") -> None:
        self.name, self.sealed_with = name, sealed_with
        super().__init__(f"the stored credential '{name}' cannot be read with this encryption key")


def key_id(key: bytes) -> str:
    """Return a name for the key that reveals nothing about it."""
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


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
