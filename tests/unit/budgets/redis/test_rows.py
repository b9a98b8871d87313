"""Rows with names have the same bytes as arrays without: other versions wrote what is in Redis."""

from __future__ import annotations

import re

import msgspec
import pytest

from budgets.admission.interface import (
    AdmissionRequest,
    BudgetRule,
    Limits,
    Return,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.redis import rows
from budgets.redis.client.scripts import read_sources
from budgets.redis.held_calls import HeldCall
from budgets.redis.rows import CallRow, PostRow, ReturningPostRow, RollingWindowRow, ScopeRow, WindowRow
from budgets.redis.scope_request import scope_request

NOON = 1_785_600_000.0  # 2026-08-01
DAY, MONTH_BERLIN = 1_785_542_400.0, 1_785_535_200.0
SCOPES = (
    ScopeRules("key:7", Limits(60, None, 2), (BudgetRule(10**12, "daily"), BudgetRule(5, "rolling_7d"))),
    ScopeRules("tenant:3", Limits(None, 90_000), (BudgetRule(10**9, "calendar_month", "Europe/Berlin"),)),
)
MONTH = WindowKey("tenant:3", "calendar_month", "UTC", 1_782_864_000.0)
WEEK = WindowKey("key:7", "rolling_7d", "UTC", 1_785_024_000.0)
POSTS = (
    WindowTotal(MONTH, 7_000, 3),
    WindowTotal(MONTH, 7_000, 3, 40, 2),
    WindowTotal(WEEK, 9, 1, 0, 0, Return(DAY, 4, 2)),
)


def test_scopes_are_the_bytes_that_they_always_were():
    assert msgspec.msgpack.encode(scope_request(SCOPES, NOON).packed).hex() == (
        "9295a56b65793a373cff029294b46461696c797c5554437c31373835353432343030cb41da9b4dc0000000cb41da9ba220000000"
        "cf000000e8d4a5100095b9726f6c6c696e675f37647c5554437c31373835303234303030cb41da995380000000cb41da9ba22000"
        "000005cb41da9b4dc000000095a874656e616e743a33ffce00015f90ff9194d92763616c656e6461725f6d6f6e74687c4575726f"
        "70652f4265726c696e7c31373835353335323030cb41da9b46b8000000cb41daa57e58000000ce3b9aca00"
    )


def test_posts_are_the_bytes_that_they_always_were():
    assert msgspec.msgpack.encode([PostRow.of(post) for post in POSTS]).hex() == (
        "9398a874656e616e743a33bd63616c656e6461725f6d6f6e74687c5554437c31373832383634303030cb41da911620000000cb41"
        "da9b4dc0000000cd1b5803ff0098a874656e616e743a33bd63616c656e6461725f6d6f6e74687c5554437c313738323836343030"
        "30cb41da911620000000cb41da9b4dc0000000cd1b580328029ba56b65793a37b9726f6c6c696e675f37647c5554437c31373835"
        "303234303030cb41da995380000000cb41da9ba22000000009010000cb41da9b4dc00000000402"
    )


def calls() -> list[list[object]]:
    """Return the rows of a call: unknown to Redis, running, settled, and settled after the ledger had it."""
    call = HeldCall.of(AdmissionRequest("call-1", SCOPES, 12, 500), NOON)
    found = [call.row("worker-1")]
    call.seconds = [1000, 1001]
    found.append(call.row("worker-1"))
    call.settle(30, 400, 25)
    found.append(call.row("worker-1"))
    call.is_posted = True
    return [*found, call.row("worker-1")]


def test_calls_are_the_bytes_that_they_always_were():
    assert msgspec.msgpack.encode(calls()).hex() == (
        "949acd01f40ccb41da9b86000000000000a8776f726b65722d31a56b65793a37ffa874656e616e743a33ff9acd01f40ccb41da9b"
        "86000000000000a8776f726b65722d31a56b65793a37cd03e8a874656e616e743a33cd03e99acd01a919cb41da9b860000000001"
        "00a8776f726b65722d31a56b65793a37cd03e8a874656e616e743a33cd03e99a0019cb41da9b86000000000101a8776f726b6572"
        "2d31a56b65793a37cd03e8a874656e616e743a33cd03e9"
    )


def test_a_row_of_a_call_is_read_as_it_was_packed():
    for row in calls():
        assert CallRow.of_packed(row).packed() == row
    assert CallRow.of_packed(calls()[2]) == CallRow(
        425, 25, NOON, True, False, "worker-1", (("key:7", 1000), ("tenant:3", 1001))
    )


def test_a_rolling_window_names_the_day_since_which_it_binds():
    key, tenant = scope_request(SCOPES, NOON).packed
    assert key.budgets == [
        WindowRow(f"daily|UTC|{DAY:.0f}", DAY, DAY + 86400, 10**12),
        RollingWindowRow(f"rolling_7d|UTC|{WEEK.start:.0f}", WEEK.start, DAY + 86400, 5, DAY),
    ]
    name = f"calendar_month|Europe/Berlin|{MONTH_BERLIN:.0f}"
    month = WindowRow(name, MONTH_BERLIN, MONTH_BERLIN + 31 * 86400, 10**9)
    assert tenant == ScopeRow("tenant:3", rows.UNLIMITED, 90_000, rows.UNLIMITED, [month])


@pytest.mark.parametrize(
    ("lib", "row", "places"),
    [
        ("scope", ScopeRow, "SCOPE REQUESTS TOKENS PARALLEL BUDGETS"),
        ("budget", RollingWindowRow, "WINDOW START STOP LIMIT SINCE"),
        (
            "post",
            ReturningPostRow,
            (
                "POST_SCOPE POST_WINDOW POST_START POST_STOP POST_SPENT POST_VERSION POST_ADDED POST_UNSETTLED "
                "POST_RETURN_AT POST_RETURNED POST_RETURN_VERSION"
            ),
        ),
        ("call", CallRow, "AMOUNT RESERVED GRANTED_AT IS_SETTLED IS_POSTED WORKER FIRST"),
    ],
)
def test_lua_and_python_have_the_same_places(lib, row, places):
    found = re.search(r"^local ([A-Z_,\s]+?) = ([\d, ]+)$", read_sources()[f"lib/rows/{lib}"], re.MULTILINE)
    assert found is not None
    assert re.split(r",\s*", found[1]) == places.split()
    assert [int(number) for number in found[2].split(",")] == [*range(1, len(places.split()) + 1)]
    assert len(msgspec.structs.fields(row)) == len(places.split())
