"""Verified callers: found by proof, removed in time."""

from __future__ import annotations

import asyncio

import pytest

from tenants.api_keys.cache import CAREFUL_TTL_S, NEGATIVE_TTL_S, TTL_S, KeyCache, StoredKey
from tenants.api_keys.known_prefixes import KnownPrefixes
from tenants.api_keys.tokens import digest
from tenants.errors import InvalidKey, KeysUnavailable
from tests.unit.tenants.key_database import ALICE, PEPPER


async def test_cache_reads_a_key_once(cache, shelf):
    assert await cache.caller("sk-alice.secret") is ALICE
    assert await cache.caller("sk-alice.secret") is ALICE
    assert shelf.reads == 1


async def test_of_too_many_keys_the_one_not_used_for_longest_is_dropped(shelf, clock, monkeypatch):
    monkeypatch.setattr("tenants.api_keys.cache.CAPACITY", 3)
    names = [f"k{number}" for number in range(4)]
    shelf.keys = {name: StoredKey(digest(PEPPER, name, "secret"), ALICE, None) for name in names}
    cache = KeyCache(PEPPER, shelf, KnownPrefixes(shelf.prefixes, pace_s=0.0), clock)
    for name in ("k0", "k1", "k2", "k0", "k3", "k0", "k2"):
        await cache.caller(f"sk-{name}.secret")
    assert shelf.reads == 4
    await cache.caller("sk-k1.secret")
    assert shelf.reads == 5


@pytest.mark.parametrize(
    "token", ["", "sk-", "sk-alice", "alice.secret", "sk-al ice.x", "sk-a.b\n", "sk-" + "a" * 500 + ".b"]
)
async def test_cache_does_no_read_for_a_malformed_key(cache, shelf, token):
    with pytest.raises(InvalidKey):
        await cache.caller(token)
    assert shelf.reads == 0


async def test_cache_keeps_a_wrong_secret_for_a_while(cache, shelf, clock):
    for _ in range(3):
        with pytest.raises(InvalidKey):
            await cache.caller("sk-alice.wrong")
    assert shelf.reads == 1

    clock.now += NEGATIVE_TTL_S + 1
    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.wrong")
    assert shelf.reads == 2


async def test_a_wrong_secret_does_not_lock_out_the_right_one(cache):
    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.wrong")

    assert await cache.caller("sk-alice.secret") is ALICE


async def test_cache_reads_again_when_an_entry_is_old(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    shelf.keys = {}
    clock.now += TTL_S + 1

    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.secret")


async def test_cache_refuses_a_revoked_key(cache, shelf):
    shelf.keys["alice"] = shelf.keys["alice"]._replace(revoked_at=1.0)

    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.secret")


async def test_cache_is_cleared_at_once_after_a_change(cache, shelf):
    await cache.caller("sk-alice.secret")
    shelf.keys = {}
    cache.clear()

    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.secret")


async def test_what_was_read_before_a_change_is_not_remembered_after_it(cache, shelf):
    shelf.gate = asyncio.Event()
    asking = asyncio.create_task(cache.caller("sk-alice.secret"))
    await asyncio.sleep(0)
    cache.clear()
    shelf.gate.set()
    await asking

    await cache.caller("sk-alice.secret")

    assert shelf.reads == 2


async def test_concurrent_lookups_of_an_uncached_key_cause_one_read(cache, shelf):
    shelf.gate = asyncio.Event()
    crowd = [asyncio.create_task(cache.caller("sk-alice.secret")) for _ in range(100)]
    await asyncio.sleep(0)
    shelf.gate.set()

    assert set(await asyncio.gather(*crowd)) == {ALICE}
    assert shelf.reads == 1


async def test_cache_does_not_store_database_failures(cache, shelf):
    keys, shelf.keys = shelf.keys, None
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")

    shelf.keys = keys
    assert await cache.caller("sk-alice.secret") is ALICE


async def test_cache_reads_sooner_while_changes_may_arrive_late(cache, shelf, clock):
    cache.set_ttl(CAREFUL_TTL_S)
    await cache.caller("sk-alice.secret")
    clock.now += CAREFUL_TTL_S + 0.1
    await cache.caller("sk-alice.secret")
    assert shelf.reads == 2
