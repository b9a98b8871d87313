"""Expired rows are deleted; others stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session

from gateway.cleanup import sweep_replays, sweep_sessions
from gateway.models import IdempotencyRecord
from gateway.tasks import sweep_replays as sweep_replays_task
from metering.reconciliation import nightly

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 7, 24, 12, tzinfo=UTC)


def replay(name, expires_at):
    return IdempotencyRecord.objects.create(
        id=name, request_id=name, fingerprint="f", state="done", lease_until=NOW, expires_at=expires_at
    )


def test_expired_answers_are_deleted():
    replay("old", NOW - timedelta(seconds=1))
    replay("new", NOW + timedelta(seconds=1))
    sweep_replays(NOW)
    assert [row.id for row in IdempotencyRecord.objects.all()] == ["new"]


def test_a_task_takes_arguments_that_it_does_not_know():
    replay("old", datetime(2020, 1, 1, tzinfo=UTC))
    sweep_replays_task(since="a newer release")
    assert not IdempotencyRecord.objects.exists()


def test_expired_sessions_are_deleted():
    for name, expires_at in (("old", NOW - timedelta(days=1)), ("new", NOW + timedelta(days=1))):
        Session.objects.create(session_key=name, session_data="", expire_date=expires_at)
    sweep_sessions(NOW)
    assert [row.session_key for row in Session.objects.all()] == ["new"]


def test_nightly_reconciliation_of_an_empty_ledger_finds_nothing():
    assert nightly.reconcile(NOW) == 0
