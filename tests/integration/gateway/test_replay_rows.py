"""The quota of kept answers, by bytes and by number, and what gives room again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway import replay_rows
from gateway.models import Replay
from gateway.replay_rows import KEPT, Quota, ResultUnavailable

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 24, tzinfo=UTC)
QUOTA = Quota(most_bytes=1000, most_answers=3)


def keep(name, size, tenant=1, quota=QUOTA):
    """Claim and end a call; return which quota had no room for its answer."""
    assert replay_rows.claim(name, "print", name, tenant, NOW) is None
    sealed = None if size is None else b"x" * size
    return replay_rows.keep(name, name, 200, "application/json", sealed, tenant_id=tenant, quota=quota)


def kept():
    return {row.id: len(bytes(row.body)) for row in Replay.objects.filter(state="done")}


def test_bytes_are_kept_up_to_the_quota_and_no_further():
    assert [keep("a", 600), keep("b", 400), keep("c", 1)] == ["", "", "tenant_bytes"]
    assert kept() == {"a": 600, "b": 400}


def test_one_answer_larger_than_the_quota_is_not_kept():
    assert keep("a", 1001) == "tenant_bytes"
    assert keep("b", 1000) == ""


def test_answers_are_counted_too():
    assert [keep(name, 1) for name in "abcd"] == ["", "", "", "tenant_answers"]


def test_tenants_have_quotas_of_their_own():
    assert [keep("a", 1000, tenant=1), keep("b", 1000, tenant=2)] == ["", ""]


def test_what_is_not_stored_takes_no_room():
    assert [keep(name, None) for name in "abcde"] == [""] * 5
    assert keep("f", 1000) == ""


def test_a_call_beyond_the_quota_is_never_free_again():
    keep("a", 1001)
    with pytest.raises(ResultUnavailable):
        replay_rows.claim("a", "print", "again", 1, NOW + timedelta(hours=1))


def test_what_has_expired_gives_room():
    keep("a", 1000)
    replay_rows.sweep(NOW + KEPT)
    assert keep("b", 1000) == ""


def test_a_key_that_is_used_anew_after_a_day_counts_its_new_answer():
    keep("a", 1000)
    assert replay_rows.claim("a", "print", "again", 1, NOW + KEPT) is None
    assert keep("b", 900) == ""
