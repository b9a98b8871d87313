"""Signatures of thinking, and text that is sealed: what a client must return unchanged. Pure.

A signature holds who it was made for and where it stood, and a MAC over that and the text. The key is no secret, so
that signatures are valid in every process and after a restart.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from typing import Literal

Verdict = Literal["ok", "altered", "moved", "foreign", "elsewhere"]
_KEY = b"the key of the simulator is public"
_MARK = b"\x12\x53"  # the base64 of these, "El", begins Anthropic's signatures
_HEAD = len(_MARK) + 8 + 8 + 2 + 16
_MAC = 16
ANYWHERE = b""
_MOST_SEALED = 4 * 1024 * 1024


def sign(account: str, model: str, text: str, place: int = 0, before: bytes = ANYWHERE) -> str:
    """Return the signature of a text. `before` is all that precedes it, if it is valid behind that only."""
    head = _MARK + _tag(account) + _tag(model) + place.to_bytes(2) + _prefix(before)
    return base64.b64encode(head + _mac(head, text.encode())).decode()


def verdict(
    signature: str, account: str, model: str, text: str, place: int = 0, before: bytes = ANYWHERE
) -> Verdict:
    """Return whether a signature is valid for this text at this place."""
    raw = _raw(signature)
    if raw is None or len(raw) != _HEAD + _MAC:
        return "altered"
    head, mac = raw[:_HEAD], raw[_HEAD:]
    if not hmac.compare_digest(mac, _mac(head, text.encode())):
        return "altered"
    at = len(_MARK)
    if head[at : at + 16] != _tag(account) + _tag(model):
        return "foreign"
    if head[at + 16 : at + 18] != place.to_bytes(2):
        return "moved"
    kept = head[at + 18 :]
    return "ok" if kept in {_prefix(ANYWHERE), _prefix(before)} else "elsewhere"


def seal(account: str, model: str, text: str) -> str:
    """Return a text that only this account and model open, as `encrypted_content` is. It is not secret."""
    head = _MARK + _tag(account) + _tag(model)
    packed = zlib.compress(text.encode())
    return base64.b64encode(head + _mac(head, packed) + packed).decode()


def opened(sealed: str, account: str, model: str) -> str | None:
    """Return the text, or None if it is altered, or of another account or model."""
    raw, head = _raw(sealed), _MARK + _tag(account) + _tag(model)
    if raw is None or not raw.startswith(head):
        return None
    mac, packed = raw[len(head) : len(head) + _MAC], raw[len(head) + _MAC :]
    if not hmac.compare_digest(mac, _mac(head, packed)):
        return None
    return zlib.decompressobj().decompress(packed, _MOST_SEALED).decode()


def is_foreign(sealed: str, account: str, model: str) -> bool:
    """Return whether a sealed text is unaltered, but of another account or model."""
    raw, length = _raw(sealed), len(_MARK) + 16
    if raw is None or not raw.startswith(_MARK) or raw[:length] == _MARK + _tag(account) + _tag(model):
        return False
    return hmac.compare_digest(raw[length : length + _MAC], _mac(raw[:length], raw[length + _MAC :]))


def _raw(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _tag(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def _prefix(before: bytes) -> bytes:
    return bytes(16) if before == ANYWHERE else hashlib.blake2b(before, digest_size=16).digest()


def _mac(head: bytes, text: bytes) -> bytes:
    return hmac.digest(_KEY, head + text, "sha256")[:_MAC]
