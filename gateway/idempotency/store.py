"""Idempotency-Key: one key, one call. Scoped to API key and endpoint; decided by one row in the database.

Source of the rules: the IETF draft "The Idempotency-Key HTTP Header Field" (409 in flight, 422 other payload) and
Stripe's practice (refusals before execution are not kept). Cost: nothing without the header; two transactions with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import DatabaseError

from gateway.idempotency import rows
from gateway.idempotency.fingerprint import fingerprint
from gateway.idempotency.rows import UNBOUNDED, InProgress, Mismatch, Quota, ResultUnavailable
from gateway.stores.database_threads import InDatabase
from gateway.values.fallback_log import FALLBACKS
from metering import failpoints
from providers.json_scan.outline import is_large
from providers.processes.heavy_work import HeavyWork
from providers.processes.work_process import WorkFailed

logger = logging.getLogger(__name__)

MAX_BODY = 4 * 1024 * 1024
ON_LOOP_BYTES = 256 * 1024
AT_ONCE = 500  # rows of one statement: SQLite bounds its parameters
T = TypeVar("T")
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
_NONCE = 12


class BadIdempotencyKey(Exception):
    """Not 1 to 255 printable ASCII characters."""


class ReplaysUnavailable(Exception):
    """The database is unavailable, so a single call cannot be guaranteed."""


_REFUSALS = (BadIdempotencyKey, InProgress, Mismatch, ResultUnavailable, ReplaysUnavailable)


class IdempotencyClaim(msgspec.Struct, frozen=True):
    """The right to make the call; ended by exactly one of complete() and release()."""

    id: str
    request_id: str
    keeps_streams: bool
    tenant_id: int = 0


class StoredResponse(msgspec.Struct, frozen=True):
    """A finished call's response, ready to be sent again."""

    request_id: str
    status: int
    content_type: str
    body: bytes


class IdempotencyStore:
    """`in_database` runs a blocking function in the database threads.

    `on_unstored` gets why a response was not stored: too_large, tenant_bytes or tenant_answers. `heavy` reads large
    bodies.
    """

    def __init__(
        self,
        in_database: InDatabase,
        encryption_key: bytes,
        quota: Quota = UNBOUNDED,
        on_unstored: Callable[[str], object] = lambda _: None,
        heavy: HeavyWork | None = None,
    ) -> None:
        self._in_database, self._quota, self._on_unstored = in_database, quota, on_unstored
        self._heavy = heavy
        self._cipher = AESGCM(encryption_key)
        self.owner = ""  # the name of this process's journal
        # Whether another process may still have calls; blocking.
        self.may_have_calls: Callable[[str], bool] = lambda _: False
        self._open_claims: set[str] = set()  # request ids of open claims
        self._unrecorded: dict[
            str, IdempotencyClaim
        ] = {}  # of calls that were made, but are not in the database yet
        self._unreleased: dict[str, str] = {}  # claims that could not be deleted: request id -> row

    def _is_running(self, owner: str, request_id: str) -> bool:
        """Blocking: for the database threads."""
        return request_id in self._open_claims if owner == self.owner else self.may_have_calls(owner)

    async def claim(
        self, scope: str, key: str, raw: bytes, request_id: str, *, keeps_streams: bool, tenant_id: int
    ) -> IdempotencyClaim | StoredResponse:
        """Return the right to make this call, or its stored response.

        Raises BadIdempotencyKey, InProgress, Mismatch, ResultUnavailable, ReplaysUnavailable.
        """
        if _KEY.fullmatch(key) is None:
            raise BadIdempotencyKey
        row_id = hashlib.sha256(f"{scope}\n{key}".encode()).hexdigest()
        body_print = await self._fingerprint(tenant_id, scope, raw)
        try:
            if self._unreleased:  # before new claims, so there are never more of them than concurrent calls
                await self._release_again()
            claiming = partial(rows.claim, owner=self.owner, is_running=self._is_running)
            kept = await self._in_database(
                claiming, row_id, body_print, request_id, tenant_id, datetime.now(UTC)
            )
        except DatabaseError as error:
            raise ReplaysUnavailable from error
        if kept is None:
            self._open_claims.add(request_id)
            return IdempotencyClaim(row_id, request_id, keeps_streams, tenant_id)
        body = await _run_sized(len(kept.body), self._open, row_id, bytes(kept.body))
        return StoredResponse(kept.request_id, kept.status, kept.content_type, body)

    async def release_when_claimed(self, claiming: asyncio.Future[IdempotencyClaim | StoredResponse]) -> None:
        """Release a claim, once it is made, whose client disconnected before."""
        with contextlib.suppress(*_REFUSALS):  # they leave nothing to release
            claim = await claiming
            if isinstance(claim, IdempotencyClaim):
                await self.release(claim)

    async def complete(
        self, claim: IdempotencyClaim, status: int, content_type: str, body: bytes | None
    ) -> None:
        """Store the response; if `body` is None or too large, store only that the call was made."""
        failpoints.reach("before_keep")
        is_kept = body is not None and len(body) <= MAX_BODY
        sealed = (
            await _run_sized(len(body), self._seal, claim.id, body) if is_kept and body is not None else None
        )
        try:
            keeping = partial(rows.store, tenant_id=claim.tenant_id, quota=self._quota)
            full = await self._in_database(keeping, claim.id, claim.request_id, status, content_type, sealed)
        except DatabaseError:  # the response exists and is paid for, so it is still sent
            logger.exception("idempotency.answer.not_kept", extra={"request_id": claim.request_id})
            FALLBACKS.note("replay_kept_late", claim.request_id)
            self._unrecorded[claim.request_id] = claim
            return
        self._open_claims.discard(claim.request_id)
        failpoints.reach("after_keep")
        if body is not None and not is_kept:
            full = "too_large"
        if full:
            self._on_unstored(full)

    async def release(self, claim: IdempotencyClaim) -> None:
        """Delete the claim: nothing was executed, a retry may run. Without a database it is deleted when one answers:
        by record_late() or by the next claim of this process. Until then other processes raise InProgress.
        """
        self._open_claims.discard(claim.request_id)
        try:
            await self._in_database(rows.delete, {claim.request_id: claim.id})
        except DatabaseError:  # the client needs the reason of its refusal, not this
            logger.exception("idempotency.claim.not_released", extra={"request_id": claim.request_id})
            FALLBACKS.note("replay_claim_kept", claim.request_id)
            self._unreleased[claim.request_id] = claim.id

    async def record_late(self) -> None:
        """Record the calls that were made while the database was unavailable, and release what could not be released.
        Raises DatabaseError.
        """
        if self._unreleased:
            await self._release_again()
        for claim in list(self._unrecorded.values()):
            await self._in_database(rows.store, claim.id, claim.request_id, 200, "", None)
            del self._unrecorded[claim.request_id]
            self._open_claims.discard(claim.request_id)

    async def _release_again(self) -> None:
        """Delete the claims that could not be deleted. Deleting one twice has no effect."""
        while self._unreleased:
            some = dict(islice(self._unreleased.items(), AT_ONCE))
            await self._in_database(rows.delete, some)
            for request_id in some:
                self._unreleased.pop(request_id, None)  # another task may have done the same

    async def renew(self, request_ids: Iterable[str]) -> None:
        """Renew the leases of running calls."""
        await self._in_database(rows.renew, list(request_ids), datetime.now(UTC))

    async def recover(self) -> None:
        """Free the claims that an ended process of embedded mode left behind; called before serving."""
        await self._in_database(rows.end_started)

    def release_abandoned(self, request_ids: Iterable[str]) -> None:
        """Free the claims of calls whose process is known to have ended. Blocking: for the database threads."""
        rows.end_started_by(list(request_ids))

    async def _fingerprint(self, tenant_id: int, scope: str, raw: bytes) -> str:
        if self._heavy is None or not is_large(raw):
            return fingerprint(scope, raw)
        try:
            return await self._heavy.share(tenant_id).run(str, "fingerprint", raw, scope)
        except WorkFailed as fault:
            raise ReplaysUnavailable from fault

    def _seal(self, row_id: str, body: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, zlib.compress(body, 1), row_id.encode())

    def _open(self, row_id: str, sealed: bytes) -> bytes:
        return zlib.decompress(self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], row_id.encode()))


async def _run_sized(size: int, work: Callable[..., T], *arguments: Any) -> T:
    """Run work whose time grows with `size`: here if it is small, else in a thread."""
    return work(*arguments) if size <= ON_LOOP_BYTES else await asyncio.to_thread(work, *arguments)
