"""What this app itself must keep over a restart: responses to calls with an Idempotency-Key, and which workers serve,
among others.
"""

from __future__ import annotations

from django.db import models
from typing_extensions import override


class IdempotencyRecord(models.Model):
    """One Idempotency-Key of one key and endpoint. `body` is compressed and encrypted; empty when it was not kept."""

    class State(models.TextChoices):
        STARTED = "started"  # a call is running; valid until `lease_until`
        DONE = "done"  # answered, and the response is kept
        UNSTORED = "unstored"  # answered, but the response was not kept: never call the provider again

    id = models.CharField(max_length=64, primary_key=True)  # SHA-256 of key, endpoint and the header's value
    fingerprint = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State, default=State.STARTED)
    request_id = models.CharField(max_length=64)
    owner = models.CharField(max_length=100, blank=True, default="", db_default="")  # the process's journal
    lease_until = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(default=0)
    content_type = models.CharField(max_length=100, blank=True)
    body = models.BinaryField(default=bytes)
    tenant_id = models.BigIntegerField(default=0, db_default=0)  # whose quota it counts against
    size = models.PositiveIntegerField(default=0, db_default=0)  # of the body as it is stored

    class Meta:
        indexes = (
            models.Index(
                fields=("tenant_id", "size"),
                condition=models.Q(state="done"),
                name="idempotency_kept_by_tenant",
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(state__in=("started", "done", "unstored")), name="idempotency_state_known"
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{self.state} {self.request_id}"


class ServingWorker(models.Model):
    """A process that may have been granted calls (gateway/supervisor/worker_rows.py).

    `born_in`: see budgets/redis/workers/worker_registry.py.
    """

    name = models.CharField(max_length=64, primary_key=True)
    born_in = models.CharField(max_length=64, blank=True)
    holds = models.TextField(
        default="",
        db_default="",
        blank=True,
        help_text="While it cannot reach Redis (budgets/redis/workers/final_report.py).",
    )
    holds_serial = models.IntegerField(default=0, db_default=0)
    since = models.DateTimeField(auto_now_add=True)

    @override
    def __str__(self) -> str:
        return self.name


class JobRun(models.Model):
    """The state of a periodic job (gateway/schedule.py), whichever process ran it last (gateway/jobs/runs.py)."""

    name = models.CharField(max_length=64, primary_key=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    failures = models.BigIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True, help_text="What the last failure said.")

    @override
    def __str__(self) -> str:
        return self.name


class KnownSecret(models.Model):
    """The fingerprint of a secret that rows of this database depend on (gateway/server/known_secret.py)."""

    name = models.CharField(max_length=32, primary_key=True)
    fingerprint = models.CharField(max_length=16)
    since = models.DateTimeField(auto_now=True)

    @override
    def __str__(self) -> str:
        return f"{self.name} {self.fingerprint}"
