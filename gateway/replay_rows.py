"""The rows behind Idempotency-Key: who may call, what was answered. Blocking; called in the database threads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Count, Sum

from gateway.models import Replay

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=30)


class Quota(NamedTuple):
    """What one tenant may have kept at a time."""

    most_bytes: int
    most_answers: int


UNBOUNDED = Quota(2**62, 2**62)


class InProgress(Exception):
    """A call with this key is running."""


class Mismatch(Exception):
    """The key was used before, for another body."""


class ResultUnavailable(Exception):
    """The call was made, but its answer was not kept."""


def claim(row_id: str, body_print: str, request_id: str, tenant_id: int, now: datetime) -> Replay | None:
    """Insert the row, or take over an abandoned one, or return the finished one."""
    fresh = {
        "fingerprint": body_print,
        "request_id": request_id,
        "tenant_id": tenant_id,
        "size": 0,
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


def keep(  # noqa: PLR0913 - a row's columns
    claim_id: str,
    request_id: str,
    status: int,
    content_type: str,
    sealed: bytes | None,
    *,
    tenant_id: int = 0,
    quota: Quota = UNBOUNDED,
) -> str:
    """End a claim; return "" if the answer was kept, or which quota has no room for it. Without a body: only that."""
    full = _full(tenant_id, len(sealed), quota) if sealed is not None else ""
    is_kept = sealed is not None and not full
    Replay.objects.filter(id=claim_id, request_id=request_id).update(
        state=Replay.State.DONE if is_kept else Replay.State.UNSTORED,
        status=status,
        content_type=content_type,
        body=sealed if is_kept else b"",
        size=len(sealed or b"") if is_kept else 0,
    )
    return full


def _full(tenant_id: int, size: int, quota: Quota) -> str:
    """Two answers that end in the same moment may both find room: the quota is for the disk, not for money."""
    kept = Replay.objects.filter(tenant_id=tenant_id, state=Replay.State.DONE)
    found = kept.aggregate(bytes=Sum("size"), answers=Count("id"))
    if (found["bytes"] or 0) + size > quota.most_bytes:
        return "tenant_bytes"
    return "tenant_answers" if found["answers"] >= quota.most_answers else ""


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
