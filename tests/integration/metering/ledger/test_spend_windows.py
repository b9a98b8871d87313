"""Totals of windows: made from the ledger once, kept by the shipper; no row is missed, none counts twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import connection
from msgspec.structs import replace

from budgets.admission.interface import WindowKey
from budgets.models import SpendWindow
from gateway.values.money import LARGEST_NANOUSD
from metering.journal.reader import Call
from metering.ledger import write
from metering.ledger.spend_windows import load_windows
from tests.support.books.calls import CLOSED_COST, NOON, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)

JULY = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
DAY = datetime(2026, 7, 24, tzinfo=UTC).timestamp()
KEYS = [
    WindowKey("tenant:3", "calendar_month", "UTC", JULY),
    WindowKey("tenant:3", "daily", "UTC", DAY),
    WindowKey("key:7", "daily", "UTC", DAY),
    WindowKey("key:8", "daily", "UTC", DAY),
]


def calls(name: str, count: int, at: float = NOON) -> list[Call]:
    return [Call(opened(f"{name}_{n}", at=at), closed(f"{name}_{n}", at=at + 1)) for n in range(count)]


def test_a_new_window_starts_with_what_the_ledger_holds() -> None:
    write.write([*calls("today", 3), *calls("before", 2, NOON - 5 * 86400)])

    posts = load_windows(KEYS)

    assert [post.window for post in posts] == KEYS
    assert [post.spent_nanousd // CLOSED_COST for post in posts] == [5, 3, 3, 0]


def test_a_window_ends_where_its_schedule_says() -> None:
    load_windows(KEYS[:1])

    assert SpendWindow.objects.get().end == datetime(2026, 8, 1, tzinfo=UTC)


def test_loading_a_window_again_changes_nothing() -> None:
    write.write(calls("a", 1))

    assert load_windows(KEYS) == load_windows(KEYS)
    assert SpendWindow.objects.count() == len(KEYS)


def test_the_ledger_raises_total_and_version_of_the_windows_a_call_is_in() -> None:
    before = load_windows(KEYS)

    posts = {post.window: post for post in write.write(calls("a", 2)).posts}

    assert [posts[key].spent_nanousd // CLOSED_COST for key in KEYS[:3]] == [2, 2, 2]
    assert all(posts[post.window].version > post.version for post in before[:3])
    assert KEYS[3] not in posts
    assert [posts[key].added_nanousd for key in KEYS[:3]] == [2 * CLOSED_COST] * 3
    assert load_windows(KEYS[:3]) == [replace(posts[key], added_nanousd=None) for key in KEYS[:3]]


def test_a_batch_that_was_partly_there_before_does_not_say_what_it_added() -> None:
    load_windows(KEYS)
    write.write(calls("a", 2))

    posts = write.write(calls("a", 3)).posts

    assert {post.added_nanousd for post in posts} == {None}


def test_the_same_calls_twice_count_once() -> None:
    load_windows(KEYS)
    write.write(calls("a", 2))

    written = write.write([*calls("a", 3), *calls("a", 3)])

    assert written.inserted == 1
    assert load_windows(KEYS)[0].spent_nanousd == 3 * CLOSED_COST


def test_windows_made_while_calls_arrive_miss_none_and_double_none() -> None:
    def ship(n: int) -> None:
        write.write(calls(f"batch{n}", 20))
        connection.close()

    def load(n: int) -> None:
        load_windows([KEYS[n % len(KEYS)]])
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(step, n) for n in range(12) for step in (ship, load)]
    _ = [step.result() for step in work]

    spent = {(w.scope, w.schedule): w.spent_nanousd // CLOSED_COST for w in SpendWindow.objects.all()}
    assert spent == {
        ("tenant:3", "calendar_month"): 240,
        ("tenant:3", "daily"): 240,
        ("key:7", "daily"): 240,
        ("key:8", "daily"): 0,
    }


def test_an_absurd_cost_overflows_nothing() -> None:
    load_windows(KEYS[:1])
    absurd = [Call(call.open, closed(call.open.id, output=2**53)) for call in calls("absurd", 20)]

    write.write(absurd)

    assert load_windows(KEYS[:1])[0].spent_nanousd == 20 * LARGEST_NANOUSD
