"""After a rotation both secrets are valid, the old one until its time ends."""

from __future__ import annotations

import time

import pytest

from tenants.api_keys.cache import KeyCache, StoredKey
from tenants.api_keys.known_prefixes import KnownPrefixes
from tenants.api_keys.tokens import digest
from tenants.caller import Caller
from tenants.errors import InvalidKey

PEPPER = b"p" * 32
ALICE = Caller(key_id=1, key_prefix="alice", key_name="Alice", tenant_id=1, tenant="alice-co")


def cache_of(previous_until: float | None, revoked_at: float | None = None) -> KeyCache:
    old, new = digest(PEPPER, "alice", "old"), digest(PEPPER, "alice", "new")

    async def load(prefix: str) -> StoredKey:
        return StoredKey(new, ALICE, revoked_at, old, previous_until)

    async def prefixes(_: int) -> list[tuple[int, str]]:
        return [(1, "alice")]

    return KeyCache(PEPPER, load, KnownPrefixes(prefixes))


async def test_both_secrets_are_good_during_the_overlap():
    cache = cache_of(time.time() + 60)

    assert await cache.caller("sk-alice.old") is ALICE
    assert await cache.caller("sk-alice.new") is ALICE


@pytest.mark.parametrize("previous_until", [None, 0.0])
async def test_the_old_secret_is_refused_after_the_overlap(previous_until):
    cache = cache_of(previous_until)

    assert await cache.caller("sk-alice.new") is ALICE
    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.old")


async def test_a_remembered_old_secret_is_not_remembered_beyond_the_overlap():
    now = time.monotonic()
    cache = cache_of(time.time() + 5)
    assert await cache.caller("sk-alice.old") is ALICE

    assert all(known.stale_until <= now + 6 for known in cache._known.values())  # noqa: SLF001 - the very thing under test


async def test_revoking_ends_both_secrets():
    cache = cache_of(time.time() + 60, revoked_at=1.0)

    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.old")
    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.new")
