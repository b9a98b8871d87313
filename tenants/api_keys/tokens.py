"""The shape and the hash of an API key: `sk-<prefix>.<secret>`. Pure; a digest costs one HMAC-SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from functools import lru_cache
from typing import Any, NamedTuple

PREFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
PREFIX_LENGTH = 10
SECRET_BYTES = 32  # 43 url-safe characters
LONGEST_TOKEN = 200
SAFE = 12  # characters of a prefix; generated ones have ten
_BLOCK = 64  # bytes of a SHA-256 block

_SHAPE = re.compile(r"sk-([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9._~-]{1,128})")


class Minted(NamedTuple):
    """A new key. Only the prefix may be kept; the token is shown once."""

    token: str
    prefix: str
    secret: str


def mint() -> Minted:
    """Return a new key with 256 bits of secret."""
    prefix = "".join(secrets.choice(PREFIX_ALPHABET) for _ in range(PREFIX_LENGTH))
    return assemble(prefix, secrets.token_urlsafe(SECRET_BYTES))


def assemble(prefix: str, secret: str) -> Minted:
    """Return the key made of these two halves. Raises ValueError for a shape that `split` would refuse."""
    token = f"sk-{prefix}.{secret}"
    if split(token) != (prefix, secret):
        raise ValueError("a prefix has 1-32 of A-Z a-z 0-9 _ -, a secret 1-128 of A-Z a-z 0-9 . _ ~ -")
    return Minted(token, prefix, secret)


def split(token: str) -> tuple[str, str] | None:
    """Return (prefix, secret), or None for anything that cannot be a key; nothing is looked up for those."""
    if len(token) > LONGEST_TOKEN:
        return None
    match = _SHAPE.fullmatch(token)
    return (match[1], match[2]) if match else None


def safe_part(prefix: str) -> str:
    """Return the loggable part of an unknown prefix: it may be a part of another vendor's secret."""
    return prefix if len(prefix) <= SAFE else f"{prefix[:SAFE]}…"


def digest(pepper: bytes, prefix: str, secret: str) -> str:
    """Return the stored form of a key: an HMAC that is useless without the pepper."""
    inner, outer = _hmac_states(pepper)
    inner, outer = inner.copy(), outer.copy()
    inner.update(f"{prefix}.{secret}".encode())
    outer.update(inner.digest())
    return str(outer.hexdigest())


@lru_cache(maxsize=4)
def _hmac_states(pepper: bytes) -> tuple[Any, Any]:
    """Return SHA-256 after the two padded keys of HMAC (RFC 2104): half the work of a call, done once.

    It also keeps the GIL: hmac.digest releases it, and reacquiring it took longer than the hash.
    """
    key = pepper if len(pepper) <= _BLOCK else hashlib.sha256(pepper).digest()
    key = key.ljust(_BLOCK, b"\0")
    return hashlib.sha256(bytes(b ^ 0x36 for b in key)), hashlib.sha256(bytes(b ^ 0x5C for b in key))


def matches(pepper: bytes, prefix: str, secret: str, stored: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(digest(pepper, prefix, secret), stored)


def pepper_id(pepper: bytes) -> str:
    """Return a name for the pepper that reveals nothing about it."""
    return hmac.new(pepper, b"name of this pepper", hashlib.sha256).hexdigest()[:8]
