"""The rows of the request log are written in batches, with any text of strangers, bounded by age and number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.config.sections.process import Retention
from metering.models import LoggedRequest
from metering.request_log import rows
from metering.request_log.entry import Logged
from metering.request_log.rows import expire, write
from tests.support.clients.forms import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_modes]


def entry(number: int, **given: Any) -> Logged:
    fields: dict[str, Any] = {
        "id": f"req_{number:032x}",
        "at": NOW.timestamp() + number,
        "method": "POST",
        "path": "/v1/chat/completions",
        "tenant_id": 1,
        "tenant": "acme",
        "key_id": 2,
        "key_prefix": "app",
        "model": "gpt-4o",
        "status": 429,
        "code": "rate_limit_exceeded",
    }
    return Logged(**{**fields, **given})


def ids() -> list[str]:
    return list(LoggedRequest.objects.order_by("at").values_list("pk", flat=True))


def test_row_written_twice_is_stored_once() -> None:
    several = [entry(number) for number in range(500)]
    assert write(several) == 0
    with CaptureQueriesContext(connection) as queries:
        assert write(several) == 0
    assert len(ids()) == 500
    assert len(queries) <= 20  # SQLite takes 999 values a statement


@pytest.mark.parametrize("text", ["\0", "\ud800", "\u202e", "\n", "\x1b[31m", "a" * 5000, "\U0001f469" * 900])
def test_untrusted_texts_are_sanitised_and_cut(text: str) -> None:
    names = (
        "path",
        "endpoint",
        "model",
        "message",
        "client",
        "client_request_id",
        "trace_id",
        "method",
        "code",
    )
    figures = {"limit": {"scope": text, "deep": [text]}}
    assert write([entry(1, **dict.fromkeys(names, text), figures=figures, decision=[{"outcome": text}])]) == 0
    row = LoggedRequest.objects.get()
    for name in ("path", "endpoint", "model", "message", "client", "client_request_id", "trace_id", "method"):
        assert getattr(row, name)
        assert getattr(row, name).isprintable()
    assert row.figures["limit"]["scope"].isprintable()
    assert row.decision[0]["outcome"].isprintable()


@pytest.mark.parametrize(
    "key",
    [
        "sk-app.a-secret-of-somebody",
        "sk-proj-abcdefgh12345678abcdefgh",
        "AKIA0123456789ABCDEF",
        "Bearer abcdefghijklmnop1234567890",
    ],
)
def test_keys_that_stand_in_the_wrong_place_are_masked(key: str) -> None:
    write([entry(1, path=f"/v1/models/{key}", model=key, message=f"no '{key}'", client_request_id=key)])
    row = LoggedRequest.objects.get()
    assert key not in f"{row.path} {row.model} {row.message} {row.client_request_id}"


@pytest.mark.parametrize(
    "odd", [{"tenant_id": 2**70}, {"at": 1e30}, {"latency_ms": "a word"}, {"figures": {"it": object()}}]
)
def test_a_row_that_no_database_takes_keeps_no_other_out(odd: dict[str, Any]) -> None:
    assert write([entry(1), entry(2, **odd), entry(3)]) == 1
    assert ids() == [entry(1).id, entry(3).id]


def rules(**given: Any) -> Retention:
    return Retention(**given)


def test_old_rows_are_deleted_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "DELETED_AT_ONCE", 7)
    write([entry(number) for number in range(30)])
    later = NOW + timedelta(days=5, seconds=20)
    assert expire(later, rules(request_log_days=5)) == 20
    assert ids() == [entry(number).id for number in range(20, 30)]
    assert expire(later, rules(request_log_days=5)) == 0


def test_oldest_rows_beyond_the_number_are_deleted_and_each_tenant_has_its_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A flood of one tenant, or of strangers, does not push out what others were refused."""
    monkeypatch.setattr(rows, "DELETED_AT_ONCE", 7)
    write([entry(number, tenant_id=1) for number in range(10)])
    write([entry(number, tenant_id=2) for number in range(100, 200)])
    write([entry(number, tenant_id=0, key_id=0) for number in range(200, 300)])
    assert expire(NOW, rules(request_log_rows=80)) == 160
    kept = [LoggedRequest.objects.filter(tenant_id=tenant).count() for tenant in (1, 2, 0)]
    assert kept == [10, 20, 20]
    assert LoggedRequest.objects.filter(tenant_id=2).earliest("at").pk == entry(180).id
    write([entry(number, tenant_id=number) for number in range(300, 400)])
    assert expire(NOW, rules(request_log_rows=80)) == 70
    assert ids() == [entry(number).id for number in range(320, 400)]


def test_no_rows_are_kept_with_the_request_log_off() -> None:
    write([entry(number, tenant_id=number % 3) for number in range(30)])
    assert expire(NOW, rules(request_log_rows=0)) == 30


def test_one_run_deletes_a_bounded_number_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "DELETED_AT_ONCE", 5)
    monkeypatch.setattr(rows, "MOST_BATCHES", 3)
    write([entry(number) for number in range(20)])
    later = NOW + timedelta(days=50)
    assert [expire(later, rules(request_log_days=30)) for _ in range(3)] == [15, 5, 0]
