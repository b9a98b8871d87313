"""Deletes what has expired of the front door's own. Blocking; one statement each."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.models import Session

from gateway.idempotency import rows


def sweep_replays(now: datetime) -> None:
    """Forget the answers of Idempotency-Keys that are older than a day."""
    rows.sweep(now)


def sweep_sessions(now: datetime) -> None:
    """Forget the sessions of people who have not come back."""
    Session.objects.filter(expire_date__lt=now).delete()
