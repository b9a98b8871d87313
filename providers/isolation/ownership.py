"""Marks what a client will send back - signatures of thinking, ids of stored responses - with the deployment that made
it, so that it returns there and nowhere else. Pure.

A mark is appended to the vendor's own text: `<text>~gw1.<deployment><MAC>`, base64url. The MAC is over the tenant, the
deployment and the text, so another tenant's mark, or one that was changed, is none. Keys are the tenant's (its salt):
they are the same in every worker and after a restart, and do not depend on a provider's credential.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final, NamedTuple

MARK: Final = "~gw1."
MARK_BYTES: Final = MARK.encode()
_OWNER_BYTES: Final = 8
_MAC_BYTES: Final = 16
_LENGTH: Final = 32  # letters of 24 bytes in base64url


class Owned(NamedTuple):
    """`owner` is the deployment's id; 0: there is no mark, or not one of this tenant and text."""

    text: str
    owner: int


class Ownership:
    """One tenant's marks. `purpose` keeps a mark on one kind of text from being valid on another."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = hmac.new(key, b"ownership", hashlib.sha256).digest()

    def mark(self, text: str, owner: int, purpose: str) -> str:
        """Return the text with the mark of this deployment; an empty text is not marked."""
        if not text:
            return text
        head = owner.to_bytes(_OWNER_BYTES, "big")
        mark = base64.urlsafe_b64encode(head + self._mac(head, text, purpose)).decode()
        return f"{text}{MARK}{mark}"

    def read(self, marked: str, purpose: str) -> Owned:
        """Return the text without its mark, and its owner. What has no mark is returned as it is."""
        text, found, mark = marked.rpartition(MARK)
        if not found or len(mark) != _LENGTH:
            return Owned(marked, 0)
        try:
            raw = base64.urlsafe_b64decode(mark)
        except ValueError:
            return Owned(text, 0)
        head, mac = raw[:_OWNER_BYTES], raw[_OWNER_BYTES:]
        if not hmac.compare_digest(mac, self._mac(head, text, purpose)):
            return Owned(text, 0)
        return Owned(text, int.from_bytes(head, "big"))

    def _mac(self, head: bytes, text: str, purpose: str) -> bytes:
        hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        message = purpose.encode() + b"\0" + head + hashed
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_MAC_BYTES]


def latest_owner(raw: bytes) -> int:
    """Return the deployment in the last mark of a body, which is not verified: good for a preference only; 0: none."""
    at = raw.rfind(MARK_BYTES) + len(MARK_BYTES)
    if at < len(MARK_BYTES):
        return 0
    try:
        return int.from_bytes(base64.urlsafe_b64decode(raw[at : at + _LENGTH])[:_OWNER_BYTES], "big")
    except ValueError:
        return 0


def has_mark(raw: bytes) -> bool:
    """Whether a body may hold a mark: one search."""
    return raw.find(MARK_BYTES) >= 0
