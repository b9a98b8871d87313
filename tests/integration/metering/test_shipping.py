"""The journal's way to the ledger, with a real database, a real thread and real files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.db.backends.signals import connection_created

from budgets.admission.interface import WindowKey
from budgets.models import SpendWindow
from metering.journal.journal import Journal
from metering.journal.records import Mark
from metering.journal.segments import Directory
from metering.ledger.shipper import Shipper
from metering.ledger.spend_windows import load_windows
from metering.models import UsageEvent
from providers.usage import ImageCount, Usage
from tests.integration.metering.shipping import KEY_JULY, TENANT_JULY, Posts, ledger, serve
from tests.support.books.calls import CLOSED_COST, NOON, closed, opened
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

LOCK = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "BEGIN; LOCK TABLE metering_usageevent IN EXCLUSIVE MODE",
}
GIVE_UP = {"sqlite": "PRAGMA busy_timeout=20", "postgresql": "SET lock_timeout = '20ms'"}


async def test_a_closed_call_becomes_a_row_with_everything_it_was(journal: Journal, shipper: Shipper) -> None:
    usage = Usage(
        input_tokens=10,
        cached_input_tokens=5,
        cache_write_tokens=2,
        audio_input_tokens=1,
        output_tokens=20,
        reasoning_tokens=7,
        images=(ImageCount(2, "1024x1024", "high"),),
        audio_ms=1500,
        characters=9,
        estimated=True,
    )
    journal.open_call(msgspec.structs.replace(opened("req_1"), stream=True, idempotency_key="once"))
    await journal.close_call(msgspec.structs.replace(closed("req_1"), usage=usage, ttft_ms=12.5, attempts=2))

    await shipper.flush()

    row = await UsageEvent.objects.aget(id="req_1")
    assert (row.tenant_id, row.key_id, row.model, row.stream) == (3, 7, "gpt-4o", True)
    assert (row.idempotency_key, row.ttft_ms, row.attempts) == ("once", 12.5, 2)
    assert row.started_at == datetime.fromtimestamp(NOON, UTC)
    assert (row.input_tokens, row.cached_input_tokens, row.cache_write_tokens) == (18, 5, 2)
    assert (row.output_tokens, row.reasoning_tokens) == (27, 7)
    assert (row.images, row.audio_seconds, row.characters, row.estimated) == (2, 1.5, 9, True)
    assert row.cost_nanousd == CLOSED_COST
    assert row.receipt[0]["kind"] == "input"
    assert row.usage["images"] == [[2, "1024x1024", "high"]]


async def test_shipping_adds_costs_to_the_windows_and_notifies_admission(
    journal: Journal, shipper: Shipper, posts: Posts
) -> None:
    await sync_to_async(load_windows)([TENANT_JULY, KEY_JULY])

    await serve(journal, "req_1", "req_2")
    await shipper.flush()

    assert await spent() == {"tenant:3": 2 * CLOSED_COST, "key:7": 2 * CLOSED_COST}
    assert posts.totals[TENANT_JULY].spent_nanousd == 2 * CLOSED_COST
    assert posts.totals[TENANT_JULY].version > 1
    assert sorted(posts.request_ids) == ["req_1", "req_2"]


async def test_a_call_belongs_to_the_window_it_was_admitted_in(
    journal: Journal, shipper: Shipper, posts: Posts
) -> None:
    august = WindowKey("tenant:3", "calendar_month", "UTC", datetime(2026, 8, 1, tzinfo=UTC).timestamp())
    await sync_to_async(load_windows)([TENANT_JULY, august])

    await serve(journal, "req_july", at=august.start - 0.0000005)
    await serve(journal, "req_august", at=august.start)
    await shipper.flush()

    assert posts.totals[TENANT_JULY].spent_nanousd == CLOSED_COST
    assert posts.totals[august].spent_nanousd == CLOSED_COST


async def test_a_row_that_is_there_is_posted_but_not_added_again(
    journal: Journal, shipper: Shipper, posts: Posts
) -> None:
    await sync_to_async(load_windows)([TENANT_JULY])
    await serve(journal, "req_1")
    await shipper.flush()
    second = Shipper(journal, posts)
    journal.directory.note_cursor(journal.written._replace(segment=0), durable=False)
    third = Shipper(journal, posts)

    for again in (second, third):
        again.start()
        await again.flush()
        await again.stop()

    assert posts.request_ids == ["req_1", "req_1"]
    assert posts.totals[TENANT_JULY].spent_nanousd == CLOSED_COST
    assert await ledger() == ["req_1"]


async def test_shipped_segments_go_and_running_calls_are_carried(journal: Journal, shipper: Shipper) -> None:
    journal.open_call(opened("req_long"))
    journal.mark(Mark("req_long", 33))

    for n in range(6):
        await serve(journal, *(f"req_{n}_{m}" for m in range(20)))
        await shipper.flush()
    await eventually(lambda: journal.directory.segments()[0] > 1)
    await journal.close_call(closed("req_long"))
    await shipper.flush()

    assert len(await ledger()) == 121
    assert (journal.unshipped_records, journal.oldest_unshipped_s) == (0, 0.0)


async def test_a_locked_database_delays_the_ledger_and_loses_nothing(
    journal: Journal, shipper: Shipper
) -> None:
    with impatient_connections(), another_writer():
        await serve(journal, "req_1", "req_2")
        await eventually(lambda: shipper.failures >= 2)
        await serve(journal, "req_3")
        waiting = journal.unshipped_records

    await shipper.flush()

    assert waiting == 3
    assert await ledger() == ["req_1", "req_2", "req_3"]
    assert shipper.failures == 0


async def test_a_call_that_no_database_takes_does_not_block_the_others(
    journal: Journal, shipper: Shipper, tmp_path: Path, fallbacks: Callable[[], dict[str, int]]
) -> None:
    await serve(journal, "req_1")
    journal.open_call(opened("req_bad"))
    await journal.close_call(msgspec.structs.replace(closed("req_bad"), status="unheard-of"))
    await serve(journal, "req_2")

    await shipper.flush()

    assert await ledger() == ["req_1", "req_2"]
    assert shipper.rejected == 1
    assert fallbacks()["ledger_row"] == 1
    assert rejected_files(tmp_path) == [b"req_bad"]


async def test_a_clock_that_steps_back_confuses_neither_ledger_nor_gauges(
    journal: Journal, shipper: Shipper
) -> None:
    journal.open_call(opened("req_1", at=NOON))
    await journal.close_call(closed("req_1", at=NOON - 3600))
    await serve(journal, "req_2", at=NOON - 3600)

    await shipper.flush()

    assert await ledger() == ["req_1", "req_2"]
    assert journal.oldest_unshipped_s == 0.0


async def test_what_the_world_sent_is_cut_to_its_column(journal: Journal, shipper: Shipper) -> None:
    journal.open_call(msgspec.structs.replace(opened("req_1"), client_request_id="x\x00" * 400))
    await journal.close_call(msgspec.structs.replace(closed("req_1"), error_code="e" * 999))

    await shipper.flush()

    row = await UsageEvent.objects.aget(id="req_1")
    assert row.client_request_id == "x" * 255
    assert row.error_code == "e" * 64


async def test_stopping_leaves_what_was_not_flushed_to_be_adopted(journal: Journal, posts: Posts) -> None:
    shipper = Shipper(journal, posts)
    await serve(journal, "req_1")
    await shipper.stop()

    await journal.close(timeout_s=0.2)  # what it would wait for is not shipped

    assert Directory.take_over(journal.directory.path) is not None


def rejected_files(root: Path) -> list[bytes]:
    return [b"req_bad" for path in root.glob("*.rejected") if b"req_bad" in path.read_bytes()]


async def spent() -> dict[str, int]:
    return {row.scope: row.spent_nanousd async for row in SpendWindow.objects.all()}


@contextmanager
def another_writer() -> Iterator[None]:
    """Hold the database's write lock, or on PostgreSQL the ledger's, from a connection of our own."""
    place = connection.settings_dict
    other: Any
    if connection.vendor == "sqlite":
        other = sqlite3.connect(place["NAME"], isolation_level=None)
    else:
        names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
        other = psycopg.connect("", autocommit=True, **{name: place[key] for name, key in names.items()})
    with closing(other):
        other.execute(LOCK[connection.vendor])
        yield
        other.execute("ROLLBACK")


@contextmanager
def impatient_connections() -> Iterator[None]:
    """Let new connections give up a lock at once, instead of after ten seconds."""

    def hurry(connection: Any, **_: Any) -> None:
        connection.connection.execute(GIVE_UP[connection.vendor])

    connection_created.connect(hurry)
    yield
    connection_created.disconnect(hurry)
    if getattr(connection, "pool", None):
        connection.close_pool()  # type: ignore[attr-defined]  # its connections would stay impatient
