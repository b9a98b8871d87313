"""Verified callers of this process: digest of the whole key -> Caller, with expiry and a negative side.

Cost when warm: one HMAC-SHA-256 and one dictionary lookup. Finding the digest proves the secret: a digest is only
stored after it was compared, in constant time, with the database's. Bounded: the oldest half goes when it is full.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tenants.auth import INVALID
from tenants.caller import Caller
from tenants.errors import InvalidKey
from tenants.key_misses import KeyMisses
from tenants.keys import digest, split

TTL_S = 30.0
CAREFUL_TTL_S = 5.0
NEGATIVE_TTL_S = 5.0
CAPACITY = 50_000
NEGATIVE_CAPACITY = 10_000


class Stored(NamedTuple):
    """A key as the database has it. After a rotation the hash before it is good until `previous_until`."""

    secret_hmac: str
    caller: Caller
    revoked_at: float | None
    previous_hmac: str = ""
    previous_until: float | None = None


class KeyCache:
    """`load(prefix)` reads one key from the database, or None; it may raise KeysUnavailable."""

    def __init__(
        self,
        pepper: bytes,
        load: Callable[[str], Awaitable[Stored | None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pepper, self._load, self._clock = pepper, load, clock
        self._known: dict[str, tuple[float, Caller]] = {}
        self._refused: dict[str, float] = {}
        self._loading: dict[str, asyncio.Future[Stored | None]] = {}
        self._generation = 0
        self._misses = KeyMisses(clock)
        self.ttl_s = TTL_S  # shorter while changes may come late

    async def caller(self, token: str, address: str = "") -> Caller:
        """Return who holds this key, asked for from this address. Raises InvalidKey, TooManyMisses, KeysUnavailable."""
        parts = split(token)
        if parts is None:
            raise InvalidKey(INVALID)
        prefix, secret = parts
        fingerprint = digest(self._pepper, prefix, secret)
        now = self._clock()
        known = self._known.get(fingerprint)
        if known is not None and known[0] > now:
            return known[1]
        if self._refused.get(fingerprint, 0.0) > now:
            raise InvalidKey(INVALID)
        self._misses.check(address)
        try:
            return await self._verify(prefix, fingerprint)
        except InvalidKey:
            self._misses.note(address)
            raise

    async def _verify(self, prefix: str, fingerprint: str) -> Caller:
        generation = self._generation
        stored = await self._load_once(prefix)
        good_for_s = _good_for_s(stored, fingerprint, self.ttl_s)
        now = self._clock()
        if stored is None or good_for_s <= 0:
            if generation == self._generation:
                _make_room(self._refused, NEGATIVE_CAPACITY)
                self._refused[fingerprint] = now + NEGATIVE_TTL_S
            raise InvalidKey(INVALID)
        if generation == self._generation:  # not while a change is being announced
            _make_room(self._known, CAPACITY)
            self._known[fingerprint] = (now + good_for_s, stored.caller)
        return stored.caller

    async def _load_once(self, prefix: str) -> Stored | None:
        """Let a crowd asking for one cold key cause one read."""
        running = self._loading.get(prefix)
        if running is None:
            running = asyncio.ensure_future(self._load(prefix))
            self._loading[prefix] = running
            running.add_done_callback(lambda _: self._loading.pop(prefix, None))
        return await asyncio.shield(running)

    def trust(self, ttl_s: float) -> None:
        """Forget everything, and from now on remember for so long."""
        self.ttl_s = ttl_s
        self.clear()

    def clear(self) -> None:
        """Forget everything: some key or tenant was changed."""
        self._generation += 1
        self._known.clear()
        self._refused.clear()


def _good_for_s(stored: Stored | None, fingerprint: str, ttl_s: float) -> float:
    """Return for how long the answer may be remembered; 0 refuses. Both comparisons are always made."""
    nothing = "0" * len(fingerprint)
    expected, previous = (
        (stored.secret_hmac, stored.previous_hmac or nothing) if stored else (nothing, nothing)
    )
    is_current = hmac.compare_digest(expected, fingerprint)
    is_previous = hmac.compare_digest(previous, fingerprint)
    now = time.time()
    if stored is None or (stored.revoked_at is not None and stored.revoked_at <= now):
        return 0.0
    if is_current:
        return ttl_s
    return (
        min(ttl_s, stored.previous_until - now) if is_previous and stored.previous_until is not None else 0.0
    )


def _make_room(
    entries: dict[str, object] | dict[str, float] | dict[str, tuple[float, Caller]], capacity: int
) -> None:
    if len(entries) >= capacity:
        for key in list(entries)[: capacity // 2]:  # insertion order: the oldest
            del entries[key]
