"""Writes the bill of one call: OPEN before the upstream sees anything, CLOSE durable before the last byte leaves,
then the grant is settled. Every way a call can end goes through exactly one of close() and void().
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from budgets.admission import Admission, AdmissionUnavailable, Standing
from catalog.prices import PriceSheet, Receipt
from metering.dispute import UNLIMITED, Charge, Most, charge, within
from metering.estimate import estimate
from metering.journal import Journal, MeteringUnavailable
from metering.records import Close, Open
from metering.running import Running, RunningCall
from metering.speeds import Speeds
from metering.trace import Trace, document
from metering.unsettled import Bounds, lost_tries, with_lost
from providers.fallbacks import FALLBACKS
from providers.target import Target
from providers.upstream import Attempt
from providers.usage import Usage
from tenants.caller import Caller

logger = logging.getLogger("metering.meter")


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended. `usage` None: the provider did not say, so it is estimated from `produced`."""

    status: str  # ok | error | cancelled | incomplete
    http_status: int
    error_code: str = ""
    target: Target | None = None  # who answered, or who was tried last
    sheet: PriceSheet
    usage: Usage | None = None
    produced: str = ""
    produced_events: int = 0
    is_billed: bool = True  # False: every provider refused, nothing was used
    ttft_ms: float | None = None
    overhead_ms: float = 0.0


def _said(ending: Ending) -> Usage | None:
    """Return what is known of the usage; None: it must be counted, and stays unsettled. Zeros beside produced text
    cannot be true.
    """
    if not ending.is_billed:
        return Usage(requests=0)
    usage = ending.usage
    if usage is None or (usage.is_lacking and (ending.produced_events or ending.produced)):
        return None
    return usage


class Books(msgspec.Struct, frozen=True):
    """Where a bill is written; the same for every call of a process. `observe` hears of every end."""

    journal: Journal
    admission: Admission
    running: Running
    observe: Callable[[Open, Close, Sequence[Attempt]], None]
    speeds: Speeds = msgspec.field(default_factory=Speeds)


class Meter:
    """Made per call, after it was granted."""

    def __init__(
        self, books: Books, record: Open, raw: bytes, trace: Trace | None = None, most: Most = UNLIMITED
    ) -> None:
        self.record, self.trace, self.most = record, trace, most
        self.exceeded: Callable[[Close], None] | None = None  # hears of a call that cost more than was held
        self.attempts: list[Attempt] = []
        self.cost_nanousd: int | None = None
        self.usage = Usage()
        self._books, self._hold = books, record.hold_nanousd  # of one try
        self._raw = raw
        self._began = time.perf_counter()
        self.call: RunningCall | None = None
        self._is_over = False

    def open(self, caller: Caller) -> RunningCall:
        """Write the intent down. Raises MeteringUnavailable when the disk cannot take it; nothing was sent then."""
        self._books.journal.open_call(self.record)
        self.call = RunningCall(self.record, caller, asyncio.current_task())
        self._books.running.add(self.call)
        return self.call

    async def close(self, ending: Ending) -> Standing:
        """Price the call, make its end durable, settle its grant. Happens once, even if the task is cancelled."""
        if self._is_over:
            return Standing()
        self._is_over = True
        if self.call is not None:
            self.call.task = None  # from here on there is nothing left to stop
        usage = _said(ending)
        if usage is None:  # counting may take a thread, so it must not be cut short
            return await self._books.running.surely(self._count_and_finish(ending))
        charged = charge(usage, ending.sheet, self.most) if ending.is_billed else Charge(Receipt((), 0))
        return await self._finish(ending, usage, *self._lost(ending, charged, is_known=True))

    async def void(self) -> None:
        """Forget the call: it never reached a provider."""
        if self._is_over:
            return
        self._is_over = True
        self._books.journal.void(self.record.id)
        self._books.running.remove(self.record.id)
        await self._books.admission.settle(self.record.id, 0, 0)

    async def _count_and_finish(self, ending: Ending) -> Standing:
        try:
            usage = await estimate(
                self.record, self._raw, ending.produced, ending.produced_events, ending.usage
            )
        except Exception:  # a body that no counter can read is billed all the same
            logger.exception("the usage of %s could not be counted", self.record.id)
            FALLBACKS.note("usage_counter", self.record.id)
            produced = max(len(ending.produced) // 4, ending.produced_events)
            usage = Usage(input_tokens=self.record.input_tokens, output_tokens=produced, estimated=True)
        usage = within(self._with_hidden(ending, usage), self.most.output_tokens)
        charged = Charge(charge(usage, ending.sheet, self.most).bill)  # nobody has claimed what is beyond
        return await self._finish(ending, usage, *self._lost(ending, charged, is_known=False))

    def _with_hidden(self, ending: Ending, usage: Usage) -> Usage:
        """Add what was probably written unseen: by a stream before its first content, by another call at any time."""
        if ending.target is None:
            return usage
        is_seen = self.record.stream or bool(ending.produced)
        elapsed_s = time.perf_counter() - self._began
        silent_s = elapsed_s if ending.ttft_ms is None else min(elapsed_s, ending.ttft_ms / 1000)
        return self._books.speeds.with_hidden(usage, ending.target.id, silent_s, is_seen=is_seen)

    def _lost(self, ending: Ending, charged: Charge, *, is_known: bool) -> tuple[Charge, Bounds | None]:
        """Return what is charged, with every try whose outcome nobody knows, and what they may come to; None: nothing
        is unknown. `is_known`: what is charged so far is what was used.
        """
        lost = lost_tries(self.attempts)
        if is_known and not lost:
            return charged, None
        has_answer = bool(self.attempts) and self.attempts[-1].outcome == "ok"
        unknown = lost if is_known else max(1, lost + has_answer)
        known = charged.bill.total_nanousd if is_known else 0
        bounds = Bounds.of(self.record, ending.sheet).within(known + unknown * self._hold, unknown + is_known)
        earlier = unknown if is_known else unknown - 1
        if earlier:
            charged = with_lost(charged, earlier, bounds, self.record.input_tokens)
        return charged, bounds

    async def again(self) -> bool:
        """Hold as much for one more try as for the first, which may be billed too. False: there is no money for it."""
        hold = self.record.hold_nanousd + self._hold
        record = msgspec.structs.replace(self.record, hold_nanousd=hold)
        try:
            if record.is_bound and not await self._books.admission.top_up(record.id, hold):
                return False
            self._books.journal.open_call(record)
        except (AdmissionUnavailable, MeteringUnavailable):
            FALLBACKS.note("hold_for_another_try", record.id)
            return False
        self.record = record
        return True

    async def _finish(
        self, ending: Ending, usage: Usage, charged: Charge, bounds: Bounds | None = None
    ) -> Standing:
        """`bounds`: what was used is not known."""
        self.usage, self.cost_nanousd = usage, charged.bill.total_nanousd
        close = self._close_record(ending, charged, bounds)
        if charged.disputed_nanousd:
            self._dispute(close)
        if bounds is None and ending.target is not None and ending.status == "ok":
            self._books.speeds.note(ending.target.id, usage, close.latency_ms / 1000)
        books = self._books
        try:
            await books.journal.close_call(
                close
            )  # written before it first waits, whatever happens to this task
        except asyncio.CancelledError:
            books.running.later(self._settle(close))
            raise
        finally:
            books.running.remove(close.id)
            books.observe(self.record, close, self.attempts)
        return await self._settle(close)

    async def _settle(self, close: Close) -> Standing:
        return await self._books.admission.settle(
            close.id, close.usage.total_tokens, close.cost_nanousd, close.unsettled_nanousd
        )

    def _dispute(self, close: Close) -> None:
        logger.warning(
            "%s: %s/%s reported %d nano-USD more than it was allowed to; the tenant is charged %d",
            close.id,
            close.provider,
            close.deployment,
            close.disputed_nanousd,
            close.cost_nanousd,
        )
        if (
            self.exceeded is not None
            and close.cost_nanousd + close.disputed_nanousd > self.record.hold_nanousd
        ):
            self.exceeded(close)

    def _close_record(self, ending: Ending, charged: Charge, bounds: Bounds | None) -> Close:
        target, bill = ending.target, charged.bill
        decision = document(self.trace, self.attempts, self.record.model)
        unsettled = bounds.rest(bill.total_nanousd) if bounds is not None else 0
        if charged.disputed_nanousd:
            decision.append(charged.facts)
        if bounds is not None and unsettled:
            decision.append(bounds.facts())
        return Close(
            id=self.record.id,
            finished_at=self.record.started_at + (time.perf_counter() - self._began),
            status=ending.status,
            http_status=ending.http_status,
            error_code=ending.error_code,
            provider=target.provider if target is not None else self.record.provider,
            deployment=target.name if target is not None else self.record.deployment,
            upstream_model=target.upstream_model if target is not None else self.record.upstream_model,
            attempts=max(1, len(self.attempts)),
            usage=self.usage,
            cost_nanousd=bill.total_nanousd,
            unsettled_nanousd=unsettled,
            price_id=ending.sheet.id,
            receipt=[msgspec.to_builtins(line) for line in bill.lines],
            latency_ms=round((time.perf_counter() - self._began) * 1000, 3),
            ttft_ms=ending.ttft_ms,
            overhead_ms=ending.overhead_ms,
            decision=decision,
            disputed_nanousd=charged.disputed_nanousd,
        )
