"""Deletes the expired rows of this app. Blocking; one statement each."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.models import Session

from gateway.idempotency import rows


def sweep_replays(now: datetime) -> None:
    """Delete the responses of Idempotency-Keys that are older than a day."""
    rows.sweep(now)


def sweep_sessions(now: datetime) -> None:
    """Delete the expired sessions of people."""
    Session.objects.filter(expire_date__lt=now).delete()
