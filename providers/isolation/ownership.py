"""Marks what a client will send back - signatures of thinking, ids of stored responses - with the deployment that made
it, so that it returns there and nowhere else. Pure.

A mark is appended to the vendor's own text: `<text>~gw1.<deployment><MAC>`, base64url. The MAC is over the tenant, the
deployment and the text, so another tenant's mark, or one that was changed, is none. Keys are the tenant's (its salt):
they are the same in every worker and after a restart, and do not depend on a provider's credential.

Ids are replaced as a whole, because clients accept few letters in them: `<prefix>_gw1<deployment><MAC><id>`, base64url.
What the gateway itself puts into a response for later (thinking of another API) is encrypted: `seal`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK: Final = "~gw1."
MARK_BYTES: Final = MARK.encode()
THINKING: Final = "thinking"  # the purpose of marks on signatures, and on redacted thinking
_OWNER_BYTES: Final = 8
_MAC_BYTES: Final = 16
_LENGTH: Final = 32  # letters of 24 bytes in base64url
ID_MARK: Final = "gw1"
SEAL: Final = "gw1."  # how a sealed text begins
_NONCE_BYTES: Final = 12
_LONGEST_PREFIX: Final = 16
_ID: Final = "id"  # the purpose of marks on ids
MOST_MARKS: Final = 64  # of a body that are read for a preference
LONGEST_ID: Final = 512  # letters of a marked id; longer ids of a vendor are not marked


class Owned(NamedTuple):
    """`owner` is the deployment's id; 0: there is no mark, or not one of this tenant and text."""

    text: str
    owner: int


class Opened(NamedTuple):
    """The content of a sealed text, and the deployment that made it."""

    payload: bytes
    owner: int


class Ownership:
    """One tenant's marks. `purpose` keeps a mark on one kind of text from being valid on another."""

    __slots__ = ("_key", "_seal_key")

    def __init__(self, key: bytes) -> None:
        self._key = hmac.new(key, b"ownership", hashlib.sha256).digest()
        self._seal_key = hmac.new(key, b"sealing", hashlib.sha256).digest()

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

    def mark_id(self, vendor_id: str, owner: int) -> str:
        """Return what the client gets for a vendor's id: `resp_1` becomes `resp_gw1...`. The same id, the same mark."""
        prefix, found, _ = vendor_id.partition("_")
        if not found or len(prefix) > _LONGEST_PREFIX or not (prefix.isascii() and prefix.isalnum()):
            prefix = "id"
        head = owner.to_bytes(_OWNER_BYTES, "big")
        whole = head + self._mac(head, vendor_id, _ID) + vendor_id.encode("utf-8", "surrogatepass")
        marked = f"{prefix}_{ID_MARK}{base64.urlsafe_b64encode(whole).rstrip(b'=').decode()}"
        return marked if len(marked) <= LONGEST_ID else vendor_id

    def read_id(self, marked: str) -> Owned | None:
        """Return the vendor's id and its owner; None: it is no id that this tenant got from the gateway."""
        _, found, mark = marked.partition(f"_{ID_MARK}")
        if not found or len(marked) > LONGEST_ID or not mark.isascii():
            return None
        try:
            raw = base64.b64decode(mark + "=" * (-len(mark) % 4), altchars=b"-_", validate=True)
            text = raw[_OWNER_BYTES + _MAC_BYTES :].decode("utf-8", "surrogatepass")
        except ValueError:
            return None
        head, mac = raw[:_OWNER_BYTES], raw[_OWNER_BYTES : _OWNER_BYTES + _MAC_BYTES]
        if not text or not hmac.compare_digest(mac, self._mac(head, text, _ID)):
            return None
        owner = int.from_bytes(head, "big")
        return Owned(text, owner) if self.mark_id(text, owner) == marked else None

    def seal(self, payload: bytes, owner: int) -> str:
        """Return the content encrypted: only this tenant's calls can open it."""
        nonce = os.urandom(_NONCE_BYTES)
        content = owner.to_bytes(_OWNER_BYTES, "big") + payload
        sealed = nonce + AESGCM(self._seal_key).encrypt(nonce, content, SEAL.encode())
        # The mark shows its owner to `latest_owners`, which has no key.
        return self.mark(SEAL + base64.urlsafe_b64encode(sealed).decode(), owner, SEAL)

    def open(self, sealed: str) -> Opened | None:
        """Return the content of a sealed text; None: this tenant's calls did not make it."""
        if not sealed.startswith(SEAL) or not sealed.isascii():
            return None
        try:
            raw = base64.urlsafe_b64decode(sealed.partition(MARK)[0][len(SEAL) :])
            content = AESGCM(self._seal_key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], SEAL.encode())
        except (ValueError, InvalidTag):
            return None
        return Opened(content[_OWNER_BYTES:], int.from_bytes(content[:_OWNER_BYTES], "big"))

    def _mac(self, head: bytes, text: str, purpose: str) -> bytes:
        hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        message = purpose.encode() + b"\0" + head + hashed
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_MAC_BYTES]


def latest_owners(raw: bytes) -> Iterator[int]:
    """Yield the deployments in the last marks of a body, last first, not verified: good for a preference only."""
    end = len(raw)
    for _ in range(MOST_MARKS):
        end = raw.rfind(MARK_BYTES, 0, end)
        if end < 0:
            return
        at = end + len(MARK_BYTES)
        try:
            mark = base64.urlsafe_b64decode(raw[at : at + _LENGTH])
        except ValueError:
            continue
        if len(mark) == _OWNER_BYTES + _MAC_BYTES:
            yield int.from_bytes(mark[:_OWNER_BYTES], "big")


def has_mark(raw: bytes) -> bool:
    """Whether a body may hold a mark: one search."""
    return raw.find(MARK_BYTES) >= 0
