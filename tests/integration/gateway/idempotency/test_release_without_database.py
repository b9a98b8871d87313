"""A claim that could not be released is free for all processes again as soon as the database answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone

from gateway.idempotency.rows import InProgress
from gateway.idempotency.store import IdempotencyClaim, IdempotencyStore, ReplaysUnavailable
from gateway.models import IdempotencyRecord

pytestmark = pytest.mark.django_db(transaction=True)


class Process:
    """A serving process with its own connection to the database, which can fail; all processes run."""

    def __init__(self, name):
        self.is_away = False
        self.statements = 0
        self.store = IdempotencyStore(self, bytes(32))
        self.store.owner, self.store.may_have_calls = name, lambda _: True

    async def __call__(self, work, *arguments):
        if self.is_away:
            raise OperationalError("away")
        self.statements += 1
        return await sync_to_async(work)(*arguments)

    async def claim(self, request_id, key="key"):
        return await self.store.claim("scope", key, b"{}", request_id, keeps_streams=False, tenant_id=1)


@sync_to_async
def expire_leases():
    IdempotencyRecord.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def mine():
    return Process("mine")


@pytest.fixture
def other():
    return Process("other")


async def fail_to_release(process, *request_ids):
    claims = [await process.claim(name, key=name) for name in request_ids]
    process.is_away = True
    for claim in claims:
        await process.store.release(claim)
    process.is_away = False
    await expire_leases()


async def test_other_processes_may_claim_it_after_the_database_is_back(mine, other):
    await fail_to_release(mine, "first")
    with pytest.raises(InProgress):  # only its owner knows that it was released
        await other.claim("second", key="first")
    await mine.store.record_late()
    assert isinstance(await other.claim("third", key="first"), IdempotencyClaim)


async def test_the_next_claim_of_its_process_releases_it_for_all(mine, other):
    await fail_to_release(mine, "first")
    await mine.claim("of another key", key="another")
    assert isinstance(await other.claim("second", key="first"), IdempotencyClaim)


async def test_a_row_that_another_call_has_taken_over_stays(mine, other):
    await fail_to_release(mine, "first")
    other.store.may_have_calls = lambda _: False
    await other.claim("second", key="first")
    await mine.store.record_late()
    assert await sync_to_async(lambda: [row.request_id for row in IdempotencyRecord.objects.all()])() == [
        "second"
    ]


async def test_a_claim_is_not_made_before_all_others_are_released(mine):
    """So a process never remembers more of them than it had calls at one time."""
    await fail_to_release(mine, *map(str, range(8)))
    mine.is_away = True
    with pytest.raises(ReplaysUnavailable):
        await mine.claim("next")
    mine.is_away, mine.statements = False, 0
    await mine.claim("next")
    assert mine.statements == 2  # one releases all of them
    assert await sync_to_async(lambda: [row.request_id for row in IdempotencyRecord.objects.all()])() == [
        "next"
    ]
