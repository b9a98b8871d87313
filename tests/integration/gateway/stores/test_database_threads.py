"""The threads in which a serving process runs its queries (gateway/stores/database_threads.py)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.backends.signals import connection_created

from gateway.stores.database_threads import COUNT, DatabaseThreads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def opened() -> Any:
    found: list[str] = []

    def note(**_: Any) -> None:
        found.append(threading.current_thread().name)

    connection_created.connect(note)
    yield found
    connection_created.disconnect(note)


def ask() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


def leave_a_transaction_open() -> None:
    connection.set_autocommit(False)
    ask()


def is_committing() -> bool:
    return bool(connection.get_autocommit())


def fail() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


async def test_sqlite_is_opened_once_a_thread_and_not_once_a_query(opened: list[str]) -> None:
    threads = DatabaseThreads()
    assert [await threads.run(ask) for _ in range(20)] == [1] * 20
    assert 1 <= len(opened) <= COUNT
    assert len(set(opened)) == len(opened)
    await threads.close()


async def test_query_starts_without_the_transaction_of_the_one_before(opened: list[str]) -> None:
    threads = DatabaseThreads()
    for _ in range(2 * COUNT):
        await threads.run(leave_a_transaction_open)
        with pytest.raises(DatabaseError):
            await threads.run(fail)
        assert await threads.run(is_committing)
    assert len(opened) > COUNT  # the one with the transaction was closed each time
    await threads.close()


async def test_a_connection_that_failed_or_is_old_is_not_used_again(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = DatabaseThreads()
    for _ in range(2 * COUNT):
        with pytest.raises(DatabaseError):
            await threads.run(fail)
    assert len(opened) == 2 * COUNT

    monkeypatch.setattr("gateway.stores.database_threads.KEPT_S", 0.0)
    for _ in range(COUNT):
        assert await threads.run(ask) == 1
    assert len(opened) == 3 * COUNT
    await threads.close()


async def test_every_connection_is_closed_at_the_end() -> None:
    threads, together, kept = DatabaseThreads(), threading.Barrier(COUNT), []

    def use() -> None:
        ask()
        kept.append(connection.connection)
        together.wait()

    await asyncio.gather(*(threads.run(use) for _ in range(COUNT)))
    assert len(kept) == COUNT
    await threads.close()
    for closed in kept:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            closed.execute("SELECT 1")


async def test_close_does_not_wait_for_a_hung_thread() -> None:
    threads, hanging, let_go = DatabaseThreads(), asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hang() -> None:
        loop.call_soon_threadsafe(hanging.set)
        let_go.wait()

    asked = asyncio.create_task(threads.run(hang))
    await hanging.wait()
    closing = asyncio.create_task(threads.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    let_go.set()
    await asked
    with pytest.raises(RuntimeError, match="shutdown"):
        await threads.run(ask)
