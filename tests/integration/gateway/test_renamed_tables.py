"""Tables that got another name keep their rows: a data directory of before is served on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from gateway.models import IdempotencyRecord
from metering.models import ChangedHour

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("gateway", "0007_job_runs"), ("metering", "0006_labels")]
NOON = datetime(2026, 7, 24, 12, tzinfo=UTC)


def migrate(targets):
    MigrationExecutor(connection).migrate(targets)


@pytest.fixture
def now():
    """Return what migrates to the newest tables; they are there again after the test, whatever it did."""
    newest = [
        node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] in dict(BEFORE)
    ]
    yield lambda: migrate(newest)
    migrate(newest)


def test_renamed_tables_keep_their_rows(now):
    migrate(BEFORE)
    apps = MigrationExecutor(connection).loader.project_state(BEFORE).apps
    facts = {"fingerprint": "print", "state": "done", "request_id": "req_1", "tenant_id": 3, "size": 2}
    replays = apps.get_model("gateway", "Replay").objects
    replays.create(id="key", body=b"\x01\x02", lease_until=NOON, expires_at=NOON, **facts)
    apps.get_model("metering", "StaleHour").objects.create(hour=NOON, generation=4)
    now()
    [record] = IdempotencyRecord.objects.all()
    assert {name: getattr(record, name) for name in facts} == facts
    assert (bytes(record.body), record.expires_at) == (b"\x01\x02", NOON)
    assert [(mark.hour, mark.generation) for mark in ChangedHour.objects.all()] == [(NOON, 4)]
