"""Database rows of Idempotency-Key: claims and stored responses. Blocking; called in the database threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet, Sum

from gateway.models import IdempotencyRecord, ServingWorker
from metering.decision import read
from metering.models import Status, UsageEvent

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=30)
LONGEST_TYPE = 100  # characters of a content type, which may be a provider's


class Quota(NamedTuple):
    """The most that is kept for one tenant at a time."""

    most_bytes: int
    most_answers: int


UNBOUNDED = Quota(2**62, 2**62)

IsRunning = Callable[[str, str], bool]  # whether an owner still runs the call of a request id


class InProgress(Exception):
    """A call with this key is running."""


class Mismatch(Exception):
    """The key was used before, for another body."""


class ResultUnavailable(Exception):
    """The call was made, but its response was not kept."""


def _is_never_running(_owner: str, _request_id: str) -> bool:
    return False


def claim(  # noqa: PLR0913 - a row's columns
    row_id: str,
    body_print: str,
    request_id: str,
    tenant_id: int,
    now: datetime,
    *,
    owner: str = "",
    is_running: IsRunning = _is_never_running,
) -> IdempotencyRecord | None:
    """Insert the row, or take over an abandoned one, or return the finished one.

    An expired lease proves nothing while its owner lives: without a database it cannot be renewed. Nor is a key free
    after its owner ended, if the ledger has its call as made.
    """
    fresh = {
        "owner": owner,
        "fingerprint": body_print,
        "request_id": request_id,
        "tenant_id": tenant_id,
        "size": 0,
        "state": IdempotencyRecord.State.STARTED,
        "lease_until": now + LEASE,
        "expires_at": now + KEPT,
    }
    if _insert(row_id, fresh):
        return None
    return _decide(row_id, body_print, fresh, now, is_running)


def _decide(
    row_id: str, body_print: str, fresh: dict[str, Any], now: datetime, is_running: IsRunning
) -> IdempotencyRecord | None:
    """Decide by the existing row."""
    row = IdempotencyRecord.objects.filter(id=row_id).first()
    if row is None:  # deleted just now: the client's retry will find it free
        raise InProgress
    if row.expires_at <= now or _is_abandoned(row, now, is_running):
        if IdempotencyRecord.objects.filter(id=row_id, request_id=row.request_id).update(**fresh):
            return None
        raise InProgress
    return _finished(row, body_print)


def _finished(row: IdempotencyRecord, body_print: str) -> IdempotencyRecord:
    if row.fingerprint != body_print:
        raise Mismatch
    if row.state == IdempotencyRecord.State.STARTED:
        raise InProgress
    if row.state == IdempotencyRecord.State.UNSTORED:
        raise ResultUnavailable
    return row


def _insert(row_id: str, fresh: dict[str, Any]) -> bool:
    """Insert the row; return False if it exists already."""
    try:
        with transaction.atomic():
            IdempotencyRecord.objects.create(id=row_id, **fresh)
    except IntegrityError:
        return False
    return True


def _is_abandoned(row: IdempotencyRecord, now: datetime, is_running: IsRunning) -> bool:
    if (
        row.state != IdempotencyRecord.State.STARTED
        or row.lease_until > now
        or is_running(row.owner, row.request_id)
    ):
        return False
    close_started(IdempotencyRecord.objects.filter(id=row.id, request_id=row.request_id), drops=False)
    state = (
        IdempotencyRecord.objects.filter(id=row.id, request_id=row.request_id)
        .values_list("state", flat=True)
        .first()
    )
    if state is None:  # deleted just now
        raise InProgress
    row.state = state
    return row.state == IdempotencyRecord.State.STARTED


def may_have_calls(journals: Path, owner: str) -> bool:
    """Return whether a process may still have calls that are not in the ledger: it lives, or is not adopted yet."""
    return bool(owner) and ((journals / owner).exists() or ServingWorker.objects.filter(name=owner).exists())


def close_started(claims: QuerySet[IdempotencyRecord], *, drops: bool = True) -> None:
    """End the claims of ended processes: keys whose call was made are never free again, the others are."""
    started = claims.filter(state=IdempotencyRecord.State.STARTED)
    made = _made(list(started.values_list("request_id", flat=True)))
    started.filter(request_id__in=made).update(state=IdempotencyRecord.State.UNSTORED, status=200)
    if drops:
        started.delete()


def _made(request_ids: list[str]) -> list[str]:
    """Return which of these calls were made: the provider sent its whole response, even if the client had left."""
    columns = ("id", "status", "stream", "estimated", "decision")
    ended = UsageEvent.objects.filter(id__in=request_ids, status__in=(Status.OK, Status.CANCELLED))
    return [
        request_id
        for request_id, status, *facts in ended.values_list(*columns)
        if status == Status.OK or _was_answered(*facts)
    ]


def _was_answered(stream: bool, estimated: bool, document: list[dict[str, Any]]) -> bool:  # noqa: FBT001 - columns
    """Return whether the last attempt of a cancelled call has a whole response. A stream has it if its usage was
    reported, which comes last. What was refused has neither a response nor an estimate.
    """
    decision = read(document)
    if not decision.attempts:  # the ledger could not take them
        return not estimated
    last = decision.attempts[-1]
    if last.usage is not None:  # of several attempts each has its own usage; `estimated` is of them all
        estimated = last.usage.estimated
    return last.outcome == "ok" and not (stream and (estimated or decision.settled is not None))


def store(  # noqa: PLR0913 - a row's columns
    claim_id: str,
    request_id: str,
    status: int,
    content_type: str,
    sealed: bytes | None,
    *,
    tenant_id: int = 0,
    quota: Quota = UNBOUNDED,
) -> str:
    """End a claim; return "", or which quota has no room for the response. Without a body no response is kept."""
    if len(content_type) > LONGEST_TYPE:  # it cannot be stored, nor may another be sent in its place
        sealed, content_type = None, ""
    full = _full_quota(tenant_id, len(sealed), quota) if sealed is not None else ""
    is_kept = sealed is not None and not full
    IdempotencyRecord.objects.filter(id=claim_id, request_id=request_id).update(
        state=IdempotencyRecord.State.DONE if is_kept else IdempotencyRecord.State.UNSTORED,
        status=status,
        content_type=content_type,
        body=sealed if is_kept else b"",
        size=len(sealed or b"") if is_kept else 0,
    )
    return full


def _full_quota(tenant_id: int, size: int, quota: Quota) -> str:
    """Return the full quota. Two responses that end at once may both find room: it protects the disk, not money."""
    kept = IdempotencyRecord.objects.filter(tenant_id=tenant_id, state=IdempotencyRecord.State.DONE)
    found = kept.aggregate(bytes=Sum("size"), answers=Count("id"))
    if (found["bytes"] or 0) + size > quota.most_bytes:
        return "tenant_bytes"
    return "tenant_answers" if found["answers"] >= quota.most_answers else ""


def delete(claims: Mapping[str, str]) -> None:
    """Delete the rows of these claims, given as request id -> row; a row that another call has taken over stays."""
    IdempotencyRecord.objects.filter(id__in=list(claims.values()), request_id__in=list(claims)).delete()


def renew(request_ids: list[str], now: datetime) -> None:
    started = IdempotencyRecord.objects.filter(
        request_id__in=request_ids, state=IdempotencyRecord.State.STARTED
    )
    started.update(lease_until=now + LEASE)


def sweep(now: datetime) -> None:
    IdempotencyRecord.objects.filter(expires_at__lte=now).delete()


def end_started() -> None:
    """End the claims of a process that is known to have ended (embedded mode has only one)."""
    close_started(IdempotencyRecord.objects.all())


def end_started_by(request_ids: list[str]) -> None:
    """End the claims of these calls, which are in the ledger."""
    close_started(IdempotencyRecord.objects.filter(request_id__in=request_ids))
