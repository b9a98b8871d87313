"""From an address that guesses, callers with a valid key are served, and guesses cost the database next to nothing."""

from __future__ import annotations

import asyncio

import pytest

from tenants.api_keys.cache import ROW_TTL_S, StoredKey
from tenants.api_keys.known_prefixes import KnownPrefixes
from tenants.api_keys.tokens import digest
from tenants.api_keys.unknown_key_limiter import MOST
from tenants.errors import InvalidKey, KeysUnavailable, TooManyMisses
from tests.unit.tenants.key_database import ALICE, PEPPER

HERE = "192.0.2.1"


def put(shelf, prefix, secret="secret", **facts):
    shelf.keys[prefix] = StoredKey(digest(PEPPER, prefix, secret), ALICE, **{"revoked_at": None, **facts})


@pytest.fixture
async def suspect(cache, shelf):
    """Return the cache after so many guesses from HERE."""
    for number in range(MOST):
        with pytest.raises(InvalidKey):
            await cache.caller(f"sk-guess{number}.x", HERE)
    shelf.reads = 0
    return cache


async def refused(cache, token):
    with pytest.raises(TooManyMisses):
        await cache.caller(token, HERE)


async def test_valid_key_that_was_never_seen_is_accepted(suspect):
    await refused(suspect, "sk-guess.x")
    assert await suspect.caller("sk-alice.secret", HERE) is ALICE


async def test_key_just_made_by_another_process_is_accepted(suspect, shelf):
    await refused(suspect, "sk-new.secret")
    put(shelf, "new")
    assert await suspect.caller("sk-new.secret", HERE) is ALICE


async def test_key_whose_number_arrived_late_is_accepted(suspect, shelf):
    """Of two keys made at the same time the one with the lower number may appear after the other."""
    before = dict(shelf.keys)
    put(shelf, "later")
    await suspect.caller("sk-later.secret", HERE)
    shelf.keys = {"earlier": None, **before, "later": shelf.keys["later"]}
    put(shelf, "earlier")
    assert await suspect.caller("sk-earlier.secret", HERE) is ALICE


async def test_rotated_secret_is_accepted(suspect, shelf):
    with pytest.raises(InvalidKey):
        await suspect.caller("sk-alice.newer", HERE)
    put(shelf, "alice", "newest")
    suspect.clear()
    assert await suspect.caller("sk-alice.newest", HERE) is ALICE


async def test_a_revoked_key_is_refused_as_anywhere(suspect, shelf):
    put(shelf, "alice", revoked_at=1.0)
    with pytest.raises(InvalidKey):
        await suspect.caller("sk-alice.secret", HERE)


async def test_guesses_at_unknown_prefixes_share_one_query(suspect, shelf):
    await asyncio.gather(*(refused(suspect, f"sk-more{number}.x") for number in range(500)))
    assert shelf.reads == 0
    assert shelf.lists <= 2


async def test_guesses_at_the_secret_of_a_known_prefix_share_one_query(suspect, shelf, clock):
    for number in range(500):
        with pytest.raises(InvalidKey):
            await suspect.caller(f"sk-alice.wrong{number}", HERE)
    assert shelf.reads == 1
    assert await suspect.caller("sk-alice.secret", HERE) is ALICE
    clock.now += ROW_TTL_S
    with pytest.raises(InvalidKey):
        await suspect.caller("sk-alice.wrong", HERE)
    assert shelf.reads == 2


async def test_other_addresses_are_not_affected(suspect, shelf):
    with pytest.raises(InvalidKey):
        await suspect.caller("sk-guess.x", "198.51.100.7")
    assert shelf.lists == 0


async def test_no_key_is_called_unknown_while_the_database_is_away(suspect, shelf):
    shelf.keys = None
    with pytest.raises(KeysUnavailable):
        await suspect.caller("sk-guess.x", HERE)


async def test_a_reading_that_began_before_a_key_was_made_does_not_decide():
    gate, keys = asyncio.Event(), [(1, "old")]

    async def load(_):
        found = list(keys)
        await gate.wait()
        return found

    prefixes = KnownPrefixes(load, pace_s=0.0)
    first = asyncio.create_task(prefixes.has("old"))
    for _ in range(5):
        await asyncio.sleep(0)
    keys.append((2, "new"))
    second = asyncio.create_task(prefixes.has("new"))
    for _ in range(5):
        await asyncio.sleep(0)
    gate.set()
    assert await first
    assert await second


async def test_a_cancelled_waiter_cancels_no_other():
    gate = asyncio.Event()

    async def load(_):
        await gate.wait()
        return [(1, "a")]

    prefixes = KnownPrefixes(load, pace_s=0.0)
    impatient, patient = (asyncio.create_task(prefixes.has("a")) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    gate.set()
    assert await patient
