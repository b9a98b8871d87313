"""Verified callers of this process: digest of the whole key -> Caller, with expiry and a negative cache.

Cost when warm: one HMAC-SHA-256 and one dictionary lookup. Finding the digest proves the secret: a digest is only
stored after it was compared, in constant time, with the database's. Bounded: when full, the least recently used goes.
While the database is away, callers verified in the last STALE_S stay valid: if it is away for all processes, no key can
be revoked meanwhile. If only this machine cannot reach it, `expire_stale` ends that once a change was announced.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from cachetools import FIFOCache, LRUCache

from gateway.values.single_flight import SingleFlight
from tenants.api_keys.key_reads import KeyReads
from tenants.api_keys.known_prefixes import KnownPrefixes
from tenants.api_keys.tokens import digest, safe_part, split
from tenants.api_keys.unknown_key_limiter import UnknownKeyLimiter
from tenants.caller import Caller
from tenants.errors import INVALID, InvalidKey, KeysUnavailable, TooManyMisses

TTL_S = 30.0
CAREFUL_TTL_S = 5.0
NEGATIVE_TTL_S = 5.0
ROW_TTL_S = 1.0  # how long one read of a row serves all guesses at its secret from a guessing address
STALE_S = 900.0
PATIENCE_S = 0.25  # how long a known caller waits for the database
MAX_QUESTIONS = 4  # concurrent queries while it is away
CAPACITY = 50_000
NEGATIVE_CAPACITY = 10_000


class StoredKey(NamedTuple):
    """A key as the database has it. After a rotation the previous hash is valid until `previous_until`."""

    secret_hmac: str
    caller: Caller
    revoked_at: float | None
    previous_hmac: str = ""
    previous_until: float | None = None

    def has(self, fingerprint: str) -> bool:
        """Return whether this is a secret of the key, valid or not. Compares in constant time."""
        is_current = hmac.compare_digest(self.secret_hmac, fingerprint)
        return hmac.compare_digest(self.previous_hmac or "-", fingerprint) or is_current


class _No(NamedTuple):
    """A refusal, its expiry, and what the logs may contain of the key."""

    until: float
    prefix: str
    caller: Caller | None


class CachedCaller(NamedTuple):
    """A verified caller, with two expiries in monotonic seconds: the usual one, and that without a database."""

    caller: Caller
    fresh_until: float
    stale_until: float


class KeyCache:
    """`load(prefix)` reads one key from the database, or None; it may raise KeysUnavailable. `prefixes` are those of
    all keys: those are looked up also for an address that has guessed too often.
    """

    def __init__(
        self,
        pepper: bytes,
        load: Callable[[str], Awaitable[StoredKey | None]],
        prefixes: KnownPrefixes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pepper, self._prefixes, self._clock = pepper, prefixes, clock
        self._known: LRUCache[str, CachedCaller] = LRUCache(CAPACITY)
        self._refused: FIFOCache[str, _No] = FIFOCache(NEGATIVE_CAPACITY)
        # Until when; for guessing addresses only.
        self._rows: FIFOCache[str, tuple[float, StoredKey | None]] = FIFOCache(NEGATIVE_CAPACITY)
        self._reads = KeyReads(load)
        self._refreshing: SingleFlight[str, Caller] = SingleFlight()
        self._is_away = False  # the last database query got no response
        self._generation = 0
        self._misses = UnknownKeyLimiter(clock)
        self.denied: frozenset[str] = frozenset()  # prefixes refused here, whatever the database returns
        self.ttl_s = TTL_S  # shorter while changes may arrive late

    async def caller(self, token: str, address: str = "") -> Caller:
        """Return the owner of this key, sent from this address. Raises InvalidKey, TooManyMisses, KeysUnavailable."""
        parts = split(token)
        if parts is None:
            raise InvalidKey(INVALID)
        prefix, secret = parts
        fingerprint = digest(self._pepper, prefix, secret)
        now = self._clock()
        try:  # cheaper than `get`, which looks twice
            known: CachedCaller | None = self._known[fingerprint]
        except KeyError:
            known = None
        if prefix in self.denied:
            raise InvalidKey(INVALID, prefix=prefix, caller=known.caller if known is not None else None)
        if known is not None and known.fresh_until > now:
            return known.caller
        if known is not None and known.stale_until > now:
            return await self._refresh(prefix, fingerprint, known.caller)
        refused = self._refused.get(fingerprint)
        if refused is not None and refused.until > now:
            raise InvalidKey(INVALID, prefix=refused.prefix, caller=refused.caller)
        is_suspect = self._misses.are_too_many(address)
        if is_suspect and not await self._prefixes.has(prefix):
            raise TooManyMisses(self._misses.left_s(address), safe_part(prefix))
        if self._is_away and len(self._reads) >= MAX_QUESTIONS and prefix not in self._reads:
            raise KeysUnavailable
        try:
            return await self._verify(prefix, fingerprint, is_suspect=is_suspect)
        except InvalidKey:
            # KeysUnavailable does not count: an outage must not shut out an address with many clients.
            self._misses.record(address)
            raise

    async def _refresh(self, prefix: str, fingerprint: str, known: Caller) -> Caller:
        """Return the current caller, or the cached one if the database does not respond soon. Raises InvalidKey."""
        verify = partial(self._verify, prefix, fingerprint)
        if self._is_away:
            if len(self._refreshing) < MAX_QUESTIONS:
                self._refreshing.start(fingerprint, verify)
            return known
        try:
            return await self._refreshing.run(fingerprint, verify, PATIENCE_S)
        except TimeoutError:
            self._is_away = True
            return known
        except KeysUnavailable:
            return known

    async def _verify(self, prefix: str, fingerprint: str, *, is_suspect: bool = False) -> Caller:
        generation = self._generation
        stored = await (self._read_rarely(prefix) if is_suspect else self._read(prefix))
        good_for_s = _good_for_s(stored, fingerprint)
        now = self._clock()
        if stored is None or good_for_s <= 0:
            self._known.pop(fingerprint, None)
            caller = stored.caller if stored is not None and stored.has(fingerprint) else None
            logged_prefix = prefix if stored is not None else safe_part(prefix)
            if generation == self._generation:
                self._refused[fingerprint] = _No(now + NEGATIVE_TTL_S, logged_prefix, caller)
            raise InvalidKey(INVALID, prefix=logged_prefix, caller=caller)
        if generation == self._generation:  # not while a change is being announced
            fresh_s, stale_s = min(self.ttl_s, good_for_s), min(STALE_S, good_for_s)
            self._known[fingerprint] = CachedCaller(stored.caller, now + fresh_s, now + stale_s)
        return stored.caller

    async def _read_rarely(self, prefix: str) -> StoredKey | None:
        """Return a recently read row, so that guesses at one secret cost one query, not many."""
        until, stored = self._rows.get(prefix, (0.0, None))
        if until <= self._clock():
            generation, stored = self._generation, await self._read(prefix)
            if generation == self._generation:
                self._rows[prefix] = (self._clock() + ROW_TTL_S, stored)
        return stored

    async def _read(self, prefix: str) -> StoredKey | None:
        try:
            stored = await self._reads.read(prefix)
        except KeysUnavailable:
            self._is_away = True
            raise
        self._is_away = False
        return stored

    def set_ttl(self, ttl_s: float) -> None:
        """Revalidate every caller, and use this TTL from now on: changes may have been missed."""
        self.ttl_s = ttl_s
        self._rows.clear()
        self._known.update({each: known._replace(fresh_until=0.0) for each, known in self._known.items()})
        self._refused.clear()

    def clear(self) -> None:
        """Drop all entries: some key or tenant was changed."""
        self._ignore_pending_reads()
        self._known.clear()
        self._refused.clear()

    def expire_stale(self) -> None:
        """Trust no caller beyond the usual TTL without a query: a change was announced and not read."""
        self._ignore_pending_reads()
        self._known.update(
            {
                each: known._replace(stale_until=min(known.fresh_until, known.stale_until))
                for each, known in self._known.items()
            }
        )

    def _ignore_pending_reads(self) -> None:
        """Neither cache nor join reads that began before a change."""
        self._generation += 1
        self._reads.forget()
        self._rows.clear()
        self._refreshing.forget()


def _good_for_s(stored: StoredKey | None, fingerprint: str) -> float:
    """Return how many seconds this key is valid by its row; 0 refuses. Both comparisons are always made."""
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
        return float("inf")
    return stored.previous_until - now if is_previous and stored.previous_until is not None else 0.0
