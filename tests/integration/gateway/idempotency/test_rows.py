"""The quota of kept answers, by bytes and by number, and what gives room again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.idempotency import rows
from gateway.idempotency.rows import KEPT, LEASE, InProgress, Quota, ResultUnavailable
from gateway.models import IdempotencyRecord, ServingWorker
from metering.journal.reader import Call
from metering.ledger import write as ledger
from tests.support.books.calls import closed, opened

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 24, tzinfo=UTC)
QUOTA = Quota(most_bytes=1000, most_answers=3)


def keep(name, size, tenant=1, quota=QUOTA):
    """Claim and end a call; return which quota had no room for its answer."""
    assert rows.claim(name, "print", name, tenant, NOW) is None
    sealed = None if size is None else b"x" * size
    return rows.store(name, name, 200, "application/json", sealed, tenant_id=tenant, quota=quota)


def kept():
    return {row.id: len(bytes(row.body)) for row in IdempotencyRecord.objects.filter(state="done")}


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


def test_unstored_entries_take_no_capacity():
    assert [keep(name, None) for name in "abcde"] == [""] * 5
    assert keep("f", 1000) == ""


def test_a_call_beyond_the_quota_is_never_free_again():
    keep("a", 1001)
    with pytest.raises(ResultUnavailable):
        rows.claim("a", "print", "again", 1, NOW + timedelta(hours=1))


def test_expired_entries_free_capacity():
    keep("a", 1000)
    rows.sweep(NOW + KEPT)
    assert keep("b", 1000) == ""


def test_a_key_that_is_used_anew_after_a_day_counts_its_new_answer():
    keep("a", 1000)
    assert rows.claim("a", "print", "again", 1, NOW + KEPT) is None
    assert keep("b", 900) == ""


LATER = NOW + LEASE + timedelta(seconds=1)
ENDS = {  # of a call whose process died or whose answer could not be kept, and whether its key is free again
    "answered": ("ok", False, False),
    "answered and estimated": ("ok", True, False),
    "read on when its client had left": ("cancelled", False, False),
    "left unfinished": ("cancelled", True, True),
    "died": ("incomplete", True, True),
    "failed": ("error", False, True),
}


def write(name, status="ok", *, estimated=False):
    end = closed(name, status=status)
    usage = replace(end.usage, estimated=estimated)
    ledger.write([Call(opened(name), replace(end, usage=usage))])


def start(name, owner=""):
    assert rows.claim(name, "print", name, 1, NOW, owner=owner) is None


def again(name, living=""):
    return rows.claim(
        name, "print", "again", 1, LATER, owner="other", is_running=lambda owner, _: owner == living != ""
    )


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("how", ["its lease ran out", "its journal was adopted", "its process started again"])
def test_a_key_is_free_only_if_its_call_was_not_made(kind, how):
    status, estimated, is_free = ENDS[kind]
    start("a")
    write("a", status, estimated=estimated)
    if how == "its journal was adopted":
        rows.end_started_by(["a"])
    elif how == "its process started again":
        rows.end_started()
    if is_free:
        assert again("a") is None
    else:
        with pytest.raises(ResultUnavailable):
            again("a")


def test_a_key_is_not_free_while_its_owner_lives_however_late_its_lease():
    start("a", "mine")
    with pytest.raises(InProgress):
        again("a", living="mine")
    assert again("a") is None


def test_a_process_counts_as_serving_until_its_journal_is_adopted(tmp_path):
    (tmp_path / "here").mkdir()
    ServingWorker.objects.create(name="elsewhere")
    names = ("here", "elsewhere", "gone", "")
    assert [rows.may_have_calls(tmp_path, name) for name in names] == [True, True, False, False]


def test_a_response_whose_content_type_is_too_long_for_its_row_is_not_kept():
    """PostgreSQL would refuse the whole row: the key would be in progress until the call is recorded late."""
    rows.claim("a", "print", "a", 1, NOW)
    assert rows.store("a", "a", 200, "audio/x; b=" + "y" * 90, b"sound", tenant_id=1) == ""
    assert kept() == {}
    with pytest.raises(ResultUnavailable):
        rows.claim("a", "print", "b", 1, NOW)
