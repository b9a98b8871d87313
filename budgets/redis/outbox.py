"""What Redis must receive of this worker's calls even after an outage: settlements, posts, and the calls themselves.

Everything here may be sent twice. A call leaves the worker's memory once the ledger has it, so that it is never sent
again; commands of one worker reach Redis in order, because they share one socket.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import NamedTuple, assert_never

import msgspec

from budgets.admission.interface import Return, WindowKey, WindowTotal
from budgets.redis.client.connection import RedisConnection
from budgets.redis.client.protocol import Unreachable
from budgets.redis.commands import POST_TOTALS, RENEW_LEASES, RESTORE_HOLDS, SETTLE, Run, SettleReply
from budgets.redis.held_calls import HeldCall
from budgets.redis.recovery.scope_tenants import ScopeTenants
from budgets.redis.replies import Gone, NeedsRecovery, Settled
from budgets.redis.rows import PostRow
from budgets.redis.scope_request import batches

LEASE_S, ORPHAN_S = 30.0, 150.0
KEEP_SETTLED_S = 400 * 86400.0
BATCH = 200
MOST_POSTED = 1000  # more than a batch of the ledger has: a total and its calls must reach Redis in one step
MOST_APART = 600  # batches that are kept separate: two minutes of them


class LedgerBatch(NamedTuple):
    """The totals of one ledger batch, and its calls by tenant tag; "" for calls that this worker never had."""

    posts: list[WindowTotal]
    ids: dict[str, set[str]]


class Outbox:
    """`calls` are the worker's calls in memory, shared with its admission."""

    def __init__(
        self,
        run: Run,
        connection: RedisConnection,
        calls: dict[str, HeldCall],
        owners: ScopeTenants,
        worker: str,
    ) -> None:
        self._run, self._connection, self._calls = run, connection, calls
        self._owners, self._worker = owners, worker
        self._unsettled: dict[str, HeldCall] = {}
        self._is_behind = False  # calls have ended of which Redis received nothing
        self._flushing = asyncio.Lock()
        self._batches: deque[LedgerBatch] = deque()

    async def settle(self, call: HeldCall) -> SettleReply:
        """Send the settlement of a call. Raises Unreachable; a call that Redis may know is then settled later."""
        self._unsettled[call.request_id] = call
        if call.is_offline:  # Redis has not received its grant either
            try:
                await self._resend_call(call.want.tag, [call])
            except Unreachable:
                if call.is_unknown:
                    self._is_behind = True
                    self._leave(call, is_over=call.is_posted or not call.amount)
                raise
        arguments = [
            call.request_id,
            call.tokens,
            call.amount,
            KEEP_SETTLED_S,
            call.want.packed,
            call.unsettled,
        ]
        reply = await self._run(SETTLE, call.want.tag, arguments)
        match reply:
            case Gone() if call.link != self._connection.opened:  # not an orphan: sent on another connection
                await self._resend_call(call.want.tag, [call])
                is_gone = False
            case Gone():
                is_gone = True
            case Settled() | NeedsRecovery():
                is_gone = False
            case _:
                assert_never(reply)
        self._leave(call, is_over=is_gone or call.is_posted or not call.amount)
        return reply

    def _leave(self, call: HeldCall, *, is_over: bool) -> None:
        """Drop the pending settlement; if it `is_over`, also the call."""
        self._unsettled.pop(call.request_id, None)
        if is_over and self._calls.get(call.request_id) is call:
            del self._calls[call.request_id]

    def mark_uncertain(self, call: HeldCall) -> None:
        """Note a grant that Redis may have written although no caller received it: release it when possible."""
        if call.request_id not in self._calls:
            call.tokens, call.amount, call.is_settled = 0, 0, True
            self._unsettled[call.request_id] = call

    def confirm(self, request_id: str) -> None:
        """The same request was granted on a retry: there is nothing to release."""
        self._unsettled.pop(request_id, None)

    async def cancel(self, call: HeldCall) -> None:
        """Release it now. Raises Unreachable; it is then done later."""
        self.mark_uncertain(call)
        if call.is_settled:
            await self.settle(call)

    async def renew(self, calls: Sequence[HeldCall]) -> None:
        """Renew the leases, and resend calls that Redis no longer knows. Raises Unreachable."""
        for tag, calls_of_tenant in _by_tag(calls).items():
            for some in batches(calls_of_tenant, BATCH):
                ids = [call.request_id for call in some]
                reply = await self._run(RENEW_LEASES, tag, [LEASE_S, ORPHAN_S, ids])
                missing = set(reply.missing)
                await self._resend_call(tag, [call for call in some if call.request_id in missing])

    async def resend(self, tag: str | None) -> None:
        """Send all calls of this worker again, of one tenant or of all. Raises Unreachable."""
        calls = [call for call in self._calls.values() if tag is None or call.want.tag == tag]
        for each, calls_of_tenant in _by_tag(calls).items():
            await self._resend_call(each, calls_of_tenant)

    def add(self, posts: Sequence[WindowTotal], request_ids: Sequence[str], *, is_adopted: bool) -> None:
        """Queue what the ledger has; from now on these calls are not sent again.

        Of this worker's own calls those that cost nothing have already left Redis and its memory. A call whose end
        Redis has not received keeps its amount: sent with cost 0, its money would be free until the post arrives.
        """
        batch = LedgerBatch(list(posts), defaultdict(set))
        for request_id in request_ids:
            call = self._calls.get(request_id)
            if call is None:
                if is_adopted:
                    batch.ids[""].add(request_id)
                continue
            if not call.is_unknown:
                batch.ids[call.want.tag].add(request_id)
            call.is_posted = True
            if call.is_settled:
                del self._calls[request_id]
        if batch.posts or batch.ids:
            self._batches.append(batch)
        while len(self._batches) > MOST_APART:
            self._batches.appendleft(_together(self._batches.popleft(), self._batches.popleft()))

    @property
    def is_done(self) -> bool:
        """Return whether nothing would be lost if this worker ended now."""
        return self.is_drained and not any(call.is_worth_telling for call in self._calls.values())

    @property
    def is_drained(self) -> bool:
        """Return whether Redis has received every post."""
        return not self._batches and not self._flushing.locked()

    async def flush(self) -> None:
        """Send what is queued. Raises Unreachable; the rest stays queued."""
        async with self._flushing:
            await self._catch_up()
            for call in list(self._unsettled.values()):
                if call.request_id in self._unsettled:
                    await self.settle(call)
            self._batches.extend(LedgerBatch(posts, {"": ids}) for posts, ids in await self._owners.resolve())
            while self._batches:
                batch = self._batches.popleft()
                try:
                    await self._post(batch)
                except BaseException:  # cancellation too: an unsent batch is sent next time
                    self._batches.appendleft(batch)
                    raise

    async def _catch_up(self) -> None:
        if self._is_behind:
            self._is_behind = False
            try:
                await self.resend(None)
            except BaseException:  # cancellation too: it is sent next time
                self._is_behind = True
                raise

    async def _post(self, batch: LedgerBatch) -> None:
        """Send each tenant its totals together with its calls: money released before its cost is added is spent twice.

        A total of an unknown tenant, and calls that this worker never had, go to all tenants of the batch: only their
        own tenant applies them. It may not be among these, so both are also kept.
        """
        owners = await self._owners.tenant_of(post.window.scope for post in batch.posts)
        by_tag: dict[str, list[PostRow]] = defaultdict(list)
        for post in batch.posts:
            by_tag[owners.get(post.window.scope, "")].append(PostRow.of(post))
        ownerless = by_tag.pop("", [])
        unknown_ids = sorted(batch.ids.get("", ()))
        for tag in {*by_tag, *batch.ids} - {""}:
            ids = [*sorted(batch.ids.get(tag, ())), *unknown_ids]
            await self._run(POST_TOTALS, tag, [[*by_tag.get(tag, []), *ownerless], ids[:MOST_POSTED]])
            for some in batches(ids[MOST_POSTED:], MOST_POSTED):
                await self._run(POST_TOTALS, tag, [[], some])
        if ownerless and unknown_ids:
            self._owners.prune(
                [each for each in batch.posts if each.window.scope not in owners], set(unknown_ids)
            )

    async def _resend_call(self, tag: str, calls: Sequence[HeldCall]) -> None:
        batch = [call for call in calls if call.is_worth_telling]
        for some in batches(batch, BATCH):
            rows = [word for call in some for word in (call.request_id, call.row(self._worker))]
            unposted = [call for call in some if not call.is_posted]
            unknown = [call for call in some if call.is_unknown]
            _know(unknown)
            try:
                await self._run(RESTORE_HOLDS, tag, [LEASE_S, ORPHAN_S, KEEP_SETTLED_S, rows])
            except Unreachable as away:
                _know(unknown, is_unknown=away.is_undone)
                raise
            finally:
                self._drop(tag, [call.request_id for call in unposted if call.is_posted])
            for call in some:
                call.is_offline, call.link = False, self._connection.opened

    def _drop(self, tag: str, request_ids: Sequence[str]) -> None:
        """Queue another post of these: the ledger got them while they were resent, which may happen twice."""
        if request_ids:
            self._batches.append(LedgerBatch([], defaultdict(set, {tag: set(request_ids)})))


def _know(calls: Sequence[HeldCall], *, is_unknown: bool = False) -> None:
    for call in calls:
        call.is_unknown = is_unknown


def _by_tag(calls: Sequence[HeldCall]) -> dict[str, list[HeldCall]]:
    found: dict[str, list[HeldCall]] = defaultdict(list)
    for call in calls:
        found[call.want.tag].append(call)
    return found


def _together(older: LedgerBatch, newer: LedgerBatch) -> LedgerBatch:
    """Return both as one batch, which no longer has the amount that each added."""
    posts: dict[WindowKey, WindowTotal] = {}
    for post in (*older.posts, *newer.posts):
        known = posts.get(post.window)
        newest = post if known is None or post.version >= known.version else known
        returns = Return.newer(post.returns, known.returns if known is not None else None)
        posts[post.window] = msgspec.structs.replace(newest, added_nanousd=None, returns=returns)
    for tag, ids in newer.ids.items():
        older.ids.setdefault(tag, set()).update(ids)
    return LedgerBatch(list(posts.values()), older.ids)
