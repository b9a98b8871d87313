"""The rows behind Idempotency-Key: who may call, what was answered. Blocking; called in the database threads."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from gateway.models import Replay

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=30)


class InProgress(Exception):
    """A call with this key is running."""


class Mismatch(Exception):
    """The key was used before, for another body."""


class ResultUnavailable(Exception):
    """The call was made, but its answer was not kept."""


def claim(row_id: str, body_print: str, request_id: str, now: datetime) -> Replay | None:
    """Insert the row, or take over an abandoned one, or return the finished one."""
    fresh = {
        "fingerprint": body_print,
        "request_id": request_id,
        "state": Replay.State.STARTED,
        "lease_until": now + LEASE,
        "expires_at": now + KEPT,
    }
    try:
        with transaction.atomic():
            Replay.objects.create(id=row_id, **fresh)
    except IntegrityError:
        pass
    else:
        return None
    row = Replay.objects.filter(id=row_id).first()
    if row is None:  # dropped this very moment: the client's retry will find it free
        raise InProgress
    is_abandoned = row.state == Replay.State.STARTED and row.lease_until <= now
    if row.expires_at <= now or is_abandoned:
        if Replay.objects.filter(id=row_id, request_id=row.request_id).update(**fresh):
            return None
        raise InProgress
    if row.fingerprint != body_print:
        raise Mismatch
    if row.state == Replay.State.STARTED:
        raise InProgress
    if row.state == Replay.State.UNSTORED:
        raise ResultUnavailable
    return row


def keep(claim_id: str, request_id: str, status: int, content_type: str, sealed: bytes | None) -> None:
    state = Replay.State.UNSTORED if sealed is None else Replay.State.DONE
    Replay.objects.filter(id=claim_id, request_id=request_id).update(
        state=state, status=status, content_type=content_type, body=sealed or b""
    )


def drop(claim_id: str, request_id: str) -> None:
    Replay.objects.filter(id=claim_id, request_id=request_id).delete()


def renew(request_ids: list[str], now: datetime) -> None:
    started = Replay.objects.filter(request_id__in=request_ids, state=Replay.State.STARTED)
    started.update(lease_until=now + LEASE)


def sweep(now: datetime) -> None:
    Replay.objects.filter(expires_at__lte=now).delete()


def drop_started() -> None:
    """Drop the claims of a process that is known to be dead (embedded mode has only one)."""
    Replay.objects.filter(state=Replay.State.STARTED).delete()


def drop_started_by(request_ids: list[str]) -> None:
    """Drop the claims of these calls; what was answered stays."""
    Replay.objects.filter(request_id__in=request_ids, state=Replay.State.STARTED).delete()
