"""Verified callers while the database is away, hangs, or cannot say what changed."""

from __future__ import annotations

import asyncio

import pytest

from tenants.api_keys.cache import CAREFUL_TTL_S, MAX_QUESTIONS, STALE_S, TTL_S, StoredKey
from tenants.api_keys.tokens import digest
from tenants.api_keys.unknown_key_limiter import MOST
from tenants.errors import InvalidKey, KeysUnavailable
from tests.unit.tenants.key_database import ALICE, PEPPER


async def test_a_cached_key_is_served_while_the_database_is_away(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    shelf.keys = None
    clock.now += TTL_S + 1
    assert await cache.caller("sk-alice.secret") is ALICE
    clock.now = STALE_S - 1
    assert await cache.caller("sk-alice.secret") is ALICE
    clock.now = STALE_S + 1
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")


async def test_a_worker_without_a_listener_still_serves_cached_keys(cache, shelf):
    await cache.caller("sk-alice.secret")
    shelf.keys = None
    cache.set_ttl(CAREFUL_TTL_S)
    assert await cache.caller("sk-alice.secret") is ALICE


async def test_a_key_looked_up_while_the_listener_connects_is_cached(cache, shelf):
    shelf.gate = asyncio.Event()
    asking = asyncio.create_task(cache.caller("sk-alice.secret"))
    await asyncio.sleep(0)
    cache.set_ttl(TTL_S)
    shelf.gate.set()
    await asking
    shelf.keys = None
    assert await cache.caller("sk-alice.secret") is ALICE


async def test_a_key_announced_as_changed_is_not_believed_while_the_database_is_away(cache, shelf):
    await cache.caller("sk-alice.secret")
    shelf.keys = None
    cache.clear()
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")


async def test_cached_keys_do_not_wait_for_a_hung_database(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    clock.now += TTL_S + 1
    shelf.gate = asyncio.Event()
    shelf.answered.clear()
    crowd = [cache.caller("sk-alice.secret") for _ in range(10)]
    assert set(await asyncio.gather(*crowd)) == {ALICE}  # the gate is still closed
    assert shelf.reads == 2

    shelf.keys = {}
    shelf.gate.set()
    await shelf.answered.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.secret")


async def test_a_database_that_is_away_is_asked_about_a_few_keys_only(cache, shelf, clock):
    names = [f"k{number}" for number in range(20)]
    shelf.keys = {name: StoredKey(digest(PEPPER, name, "secret"), ALICE, None) for name in names}
    for name in names:
        await cache.caller(f"sk-{name}.secret")
    clock.now += TTL_S + 1
    shelf.gate = asyncio.Event()
    await cache.caller(f"sk-{names[0]}.secret")
    for name in names:
        await cache.caller(f"sk-{name}.secret")
    for _ in range(10):
        await asyncio.sleep(0)
    assert shelf.reads == len(names) + MAX_QUESTIONS


async def test_many_cached_keys_are_refreshed_while_the_database_answers(cache, shelf, clock):
    names = [f"k{number}" for number in range(20)]
    shelf.keys = {name: StoredKey(digest(PEPPER, name, "secret"), ALICE, None) for name in names}
    for name in names:
        await cache.caller(f"sk-{name}.secret")
    clock.now += TTL_S + 1
    shelf.keys = {}
    answers = await asyncio.gather(
        *(cache.caller(f"sk-{name}.secret") for name in names), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {InvalidKey}


async def test_a_request_after_a_change_does_not_join_the_read_before_it(cache, shelf):
    shelf.gate = asyncio.Event()
    before = asyncio.create_task(cache.caller("sk-alice.secret"))
    await asyncio.sleep(0)
    cache.clear()
    after = asyncio.create_task(cache.caller("sk-alice.secret"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert shelf.reads == 2
    shelf.gate.set()
    assert await before is await after is ALICE
    await cache.caller("sk-alice.secret")
    assert shelf.reads == 2


async def test_a_cached_key_does_not_join_a_lookup_from_before_a_change(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    clock.now += TTL_S + 1
    shelf.gate = gate = asyncio.Event()
    asking = asyncio.create_task(cache.caller("sk-alice.secret"))
    for _ in range(10):
        await asyncio.sleep(0)
    cache.clear()
    shelf.gate = None
    await cache.caller("sk-alice.secret")
    cache.set_ttl(TTL_S)
    await cache.caller("sk-alice.secret")
    assert shelf.reads == 4
    gate.set()
    assert await asking is ALICE


async def test_unreadable_change_ends_the_use_of_cached_keys(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    shelf.keys = None
    cache.expire_stale()
    assert await cache.caller("sk-alice.secret") is ALICE
    clock.now += TTL_S + 1
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")


async def test_read_from_before_an_unreadable_change_is_not_cached(cache, shelf):
    shelf.gate = asyncio.Event()
    asking = asyncio.create_task(cache.caller("sk-alice.secret"))
    await asyncio.sleep(0)
    cache.expire_stale()
    shelf.gate.set()
    await asking
    shelf.keys = None
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")


async def test_lookups_beyond_the_limit_are_refused_at_once_while_the_database_hangs(cache, shelf):
    keys, shelf.keys = shelf.keys, None
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")
    shelf.keys, shelf.gate = keys, asyncio.Event()
    crowd = [asyncio.create_task(cache.caller(f"sk-k{number}.secret")) for number in range(100)]
    joined = asyncio.create_task(cache.caller("sk-k0.secret"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert shelf.reads == 1 + MAX_QUESTIONS
    answered = [task for task in crowd if task.done()]
    assert {type(task.exception()) for task in answered} == {KeysUnavailable}
    assert (len(answered), joined.done()) == (100 - MAX_QUESTIONS, False)

    shelf.gate.set()
    await asyncio.gather(*crowd, joined, return_exceptions=True)
    assert await cache.caller("sk-alice.secret") is ALICE


async def test_an_outage_does_not_shut_out_an_address(cache, shelf):
    keys, shelf.keys = shelf.keys, None
    for number in range(MOST + 1):
        with pytest.raises(KeysUnavailable):
            await cache.caller(f"sk-k{number}.secret", "192.0.2.1")
    shelf.keys = keys
    assert await cache.caller("sk-alice.secret", "192.0.2.1") is ALICE
