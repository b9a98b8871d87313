"""Isolates tenants that share one account at a provider: its prompt cache, and the tenants' names of end users.

A provider's cache belongs to the account, so its responses (`cached_tokens`, and their speed) would reveal to a tenant
what another sent lately. A cache's name, and the names of end users, are sent as an HMAC under the tenant's own salt:
the same name of the same tenant is always the same, and no tenant can send another's. Pure; microseconds a call.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.values.cache_members import CACHE_MEMBERS
from providers.isolation.ownership import Ownership
from providers.registry import PROVIDERS

if TYPE_CHECKING:
    from providers.target import Target

CACHES: Final = frozenset(CACHE_MEMBERS)
MEMBERS: Final = CACHES | {"user", "safety_identifier"}
METADATA: Final = (
    "cache_member"  # of a deployment: the member that partitions its caches, if its provider's row has none
)
MOST: Final = 20_000  # tenants whose salt is cached
_LENGTH: Final = 40  # hex digits; OpenAI accepts names of up to 64
_SILENT: Final = frozenset({b"null", b'""'})

_encode = msgspec.json.Encoder().encode

Parts = dict[str, msgspec.Raw]


class Salt:
    """One tenant's salt. `own` names the cache of all its calls that name none; `ownership` marks its state."""

    __slots__ = ("_key", "own", "ownership")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.ownership = Ownership(key)
        self.own = self._of(b"", b"")

    @property
    def key(self) -> bytes:
        """What another process makes the same salt of."""
        return self._key

    def salt(self, parts: Parts, member: str) -> None:
        """Replace these members of a body; `member`: the cache is named there in any case ("": it is not)."""
        for name in MEMBERS.intersection(parts):
            given = bytes(parts[name])
            if given not in _SILENT and given[:1] == b'"':
                text = msgspec.json.decode(given, type=str)  # whatever its JSON escapes
                parts[name] = _raw(self._of(name.encode(), text.encode("utf-8", "surrogatepass")))
            elif given not in _SILENT and name in CACHES:  # a number is a name if a server accepts it as one
                parts[name] = _raw(self._of(name.encode(), b"\x00" + given))
        if member and bytes(parts.get(member, b"null")) in _SILENT:
            parts[member] = _raw(self.own)

    def name_of(self, member: str, text: str) -> str:
        """Return what is sent for a name of a cache or of an end user."""
        return self._of(member.encode(), text.encode("utf-8", "surrogatepass"))

    def _of(self, name: bytes, text: bytes) -> str:
        return hmac.new(self._key, name + b"\x00" + text, hashlib.sha256).hexdigest()[:_LENGTH]


class Salts:
    """All tenants' salts, derived from the process's secret; replicas with the same secret agree."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._salts: dict[int, Salt] = {}

    def for_tenant(self, tenant_id: int) -> Salt:
        salt = self._salts.get(tenant_id)
        if salt is None:
            if len(self._salts) >= MOST:
                del self._salts[next(iter(self._salts))]
            key = hmac.new(self._secret, b"%d" % tenant_id, hashlib.sha256).digest()
            salt = self._salts[tenant_id] = Salt(key)
        return salt


def member_at(target: Target) -> str:
    """Return the member that partitions the caches of a chat there; "" if none is known to be supported."""
    return target.metadata.get(METADATA) or PROVIDERS[target.provider].cache_member


def spliced(raw: bytes, member: str, salt: Salt | None) -> bytes:
    """Insert the name of the tenant's cache at the start of a JSON object that names none; the rest is not read."""
    if salt is None or not member:
        return raw
    at = raw.index(b"{") + 1
    return b"%b%b:%b,%b" % (raw[:at], _encode(member), _encode(salt.own), raw[at:])


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(_encode(text))
