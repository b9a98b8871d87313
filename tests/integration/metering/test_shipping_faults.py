"""The shipper while admission receives nothing, and while the disk syncs nothing."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from asgiref.sync import sync_to_async

from metering.journal.journal import Journal
from metering.ledger.journal_loader import Batch, JournalLoader
from metering.ledger.shipper import Shipper
from metering.ledger.spend_windows import load_windows
from tests.integration.metering.shipping import KEY_JULY, TENANT_JULY, Posts, ledger, serve
from tests.support.books.calls import CLOSED_COST
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def contains(request_id: str, there: list[str]) -> bool:
    return request_id in there


def again(journal: Journal) -> Batch:
    """Ship what the journal still has a second time."""
    return JournalLoader(journal.directory).write(journal.written)


async def test_calls_not_yet_reported_to_admission_stay_in_the_journal_after_shipping(
    journal: Journal, shipper: Shipper, posts: Posts
) -> None:
    await sync_to_async(load_windows)([TENANT_JULY, KEY_JULY])
    posts.is_heard = False
    for request_id in ("req_1", "req_2"):
        await serve(journal, request_id)
        await eventually(ledger, partial(contains, request_id))
    assert journal.unshipped_records == 2

    copy = Posts()  # of the process that adopts the journal if this one crashes now
    calls = await sync_to_async(again)(journal)
    await copy.publish_totals(calls.posts, [call.open.id for call in calls.calls])
    assert copy.request_ids == ["req_1", "req_2"]
    assert copy.totals[TENANT_JULY].spent_nanousd == 2 * CLOSED_COST

    posts.is_heard = True
    await shipper.flush()
    assert journal.unshipped_records == 0


async def test_a_disk_that_syncs_nothing_does_not_keep_the_shipper_from_stopping(
    journal: Journal, posts: Posts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metering.ledger.shipper._SYNC_TIMEOUT_S", 0.01)
    asked = asyncio.Event()

    async def hang() -> None:
        asked.set()
        await asyncio.Event().wait()

    await serve(journal, "req_1")
    with monkeypatch.context() as disk:
        disk.setattr(journal, "sync", hang)
        shipper = Shipper(journal, posts)
        shipper.start()
        await asked.wait()
        async with asyncio.timeout(30):
            await shipper.stop()

    assert shipper.failures > 0
    assert await ledger() == []
