"""Verified callers: found by proof, forgotten in time."""

from __future__ import annotations

import asyncio

import pytest

from tenants.caller import Caller
from tenants.errors import InvalidKey, KeysUnavailable
from tenants.key_cache import (
    CAREFUL_TTL_S,
    MAX_QUESTIONS,
    NEGATIVE_TTL_S,
    STALE_S,
    TTL_S,
    KeyCache,
    Stored,
)
from tenants.key_misses import MOST
from tenants.keys import digest

PEPPER = b"p" * 32
ALICE = Caller(key_id=1, key_prefix="alice", key_name="Alice", tenant_id=1, tenant="alice-co")


class Shelf:
    """The database: what is on it can be changed, and every read is counted."""

    def __init__(self):
        self.keys = {"alice": Stored(digest(PEPPER, "alice", "secret"), ALICE, None)}
        self.reads = 0
        self.gate = None
        self.answered = asyncio.Event()

    async def __call__(self, prefix):
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.keys is None:
            raise KeysUnavailable
        self.answered.set()
        return self.keys.get(prefix)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(shelf, clock):
    return KeyCache(PEPPER, shelf, clock)


async def test_it_reads_a_key_once(cache, shelf):
    assert await cache.caller("sk-alice.secret") is ALICE
    assert await cache.caller("sk-alice.secret") is ALICE
    assert shelf.reads == 1


@pytest.mark.parametrize(
    "token", ["", "sk-", "sk-alice", "alice.secret", "sk-al ice.x", "sk-a.b\n", "sk-" + "a" * 500 + ".b"]
)
async def test_it_reads_nothing_for_what_is_not_a_key(cache, shelf, token):
    with pytest.raises(InvalidKey):
        await cache.caller(token)
    assert shelf.reads == 0


async def test_it_remembers_a_wrong_secret_for_a_while(cache, shelf, clock):
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


async def test_it_asks_again_when_an_entry_is_old(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    shelf.keys = {}
    clock.now += TTL_S + 1

    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.secret")


async def test_it_refuses_a_revoked_key(cache, shelf):
    shelf.keys["alice"] = shelf.keys["alice"]._replace(revoked_at=1.0)

    with pytest.raises(InvalidKey):
        await cache.caller("sk-alice.secret")


async def test_it_forgets_at_once_when_something_changed(cache, shelf):
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


async def test_a_crowd_asking_for_a_cold_key_causes_one_read(cache, shelf):
    shelf.gate = asyncio.Event()
    crowd = [asyncio.create_task(cache.caller("sk-alice.secret")) for _ in range(100)]
    await asyncio.sleep(0)
    shelf.gate.set()

    assert set(await asyncio.gather(*crowd)) == {ALICE}
    assert shelf.reads == 1


async def test_it_does_not_remember_that_the_database_was_away(cache, shelf):
    keys, shelf.keys = shelf.keys, None
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")

    shelf.keys = keys
    assert await cache.caller("sk-alice.secret") is ALICE


async def test_it_asks_sooner_while_changes_may_come_late(cache, shelf, clock):
    cache.trust(CAREFUL_TTL_S)
    await cache.caller("sk-alice.secret")
    clock.now += CAREFUL_TTL_S + 0.1
    await cache.caller("sk-alice.secret")
    assert shelf.reads == 2


async def test_who_was_known_stays_known_while_the_database_is_away(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    shelf.keys = None
    clock.now += TTL_S + 1
    assert await cache.caller("sk-alice.secret") is ALICE
    clock.now = STALE_S - 1
    assert await cache.caller("sk-alice.secret") is ALICE
    clock.now = STALE_S + 1
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")


async def test_a_worker_that_hears_nobody_still_knows_whom_it_knew(cache, shelf):
    await cache.caller("sk-alice.secret")
    shelf.keys = None
    cache.trust(CAREFUL_TTL_S)
    assert await cache.caller("sk-alice.secret") is ALICE


async def test_who_is_looked_up_while_a_worker_begins_to_hear_is_known(cache, shelf):
    shelf.gate = asyncio.Event()
    asking = asyncio.create_task(cache.caller("sk-alice.secret"))
    await asyncio.sleep(0)
    cache.trust(TTL_S)
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


async def test_nobody_who_was_known_waits_for_a_database_that_hangs(cache, shelf, clock):
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
    shelf.keys = {name: Stored(digest(PEPPER, name, "secret"), ALICE, None) for name in names}
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


async def test_a_crowd_of_known_keys_is_asked_about_while_the_database_answers(cache, shelf, clock):
    names = [f"k{number}" for number in range(20)]
    shelf.keys = {name: Stored(digest(PEPPER, name, "secret"), ALICE, None) for name in names}
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


async def test_who_was_known_does_not_join_the_question_before_a_change(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    clock.now += TTL_S + 1
    shelf.gate = gate = asyncio.Event()
    asking = asyncio.create_task(cache.caller("sk-alice.secret"))
    for _ in range(10):
        await asyncio.sleep(0)
    cache.clear()
    shelf.gate = None
    await cache.caller("sk-alice.secret")
    cache.trust(TTL_S)
    await cache.caller("sk-alice.secret")
    assert shelf.reads == 4
    gate.set()
    assert await asking is ALICE


async def test_a_change_that_cannot_be_read_ends_the_time_of_outages(cache, shelf, clock):
    await cache.caller("sk-alice.secret")
    shelf.keys = None
    cache.doubt()
    assert await cache.caller("sk-alice.secret") is ALICE
    clock.now += TTL_S + 1
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")


async def test_what_was_read_before_a_doubt_is_not_remembered(cache, shelf):
    shelf.gate = asyncio.Event()
    asking = asyncio.create_task(cache.caller("sk-alice.secret"))
    await asyncio.sleep(0)
    cache.doubt()
    shelf.gate.set()
    await asking
    shelf.keys = None
    with pytest.raises(KeysUnavailable):
        await cache.caller("sk-alice.secret")


async def test_a_stranger_does_not_wait_for_a_database_that_many_wait_for_in_vain(cache, shelf):
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
