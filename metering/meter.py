"""Writes the bill of one call: OPEN before the upstream sees anything, CLOSE durable before the last byte leaves,
then the grant is settled. Every way a call can end goes through exactly one of close() and void().
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

import msgspec

from budgets.admission import Admission, Standing
from catalog.prices import PriceSheet, Receipt
from metering import failpoints
from metering.attempts import Sheets, add_tries
from metering.dispute import UNLIMITED, Charge, Most, charge
from metering.estimate import estimate
from metering.journal import Journal
from metering.records import Answered, Close, Open
from metering.running import Running, RunningCall
from metering.trace import Trace, document
from providers.fallbacks import FALLBACKS
from providers.heavy_work import HeavyWork
from providers.target import Target
from providers.upstream import Attempt
from providers.usage import Usage
from providers.usage_openai import usage_in
from tenants.caller import Caller

logger = logging.getLogger("metering.meter")
QUICK_BYTES = 64 * 1024


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
    is_billed: bool = True  # False: the provider refused, nothing was used
    ttft_ms: float | None = None
    overhead_ms: float = 0.0


def _said(ending: Ending) -> Usage | None:
    """Return what is known of the usage; None: it must be counted. Zeros beside produced text cannot be true."""
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
    heavy: HeavyWork | None = None  # counts what is large


class Meter:
    """Made per call, after it was granted."""

    def __init__(
        self, books: Books, record: Open, raw: bytes, trace: Trace | None = None, most: Most = UNLIMITED
    ) -> None:
        self.record, self.trace, self.most = record, trace, most
        self.exceeded: Callable[[Close], None] | None = None  # hears of a call that cost more than was held
        self.attempts: list[Attempt] = []
        self.sheets: Sheets = lambda _: record.sheet  # the price of a try
        self.cost_nanousd: int | None = None
        self.usage = Usage()
        self._books = books
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

    def answered(self, target: Target, raw: bytes) -> None:
        """Note that a whole answer came, before anybody looks into it: whoever adopts this journal bills it."""
        record = self.record
        usage = usage_in(raw) if len(raw) <= QUICK_BYTES else None
        noted = Answered(id=record.id, size=len(raw), usage=usage)
        if (target.alias, target.name) != (record.model, record.deployment):
            attempt = Attempt(target.provider, target.name, "ok", None, 0.0, target.alias)
            noted = msgspec.structs.replace(
                noted,
                provider=target.provider,
                deployment=target.name,
                upstream_model=target.upstream_model,
                sheet=self.sheets(attempt),
            )
        self._books.journal.mark(noted)
        failpoints.reach("after_answered")

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
        return await self._finish(ending, usage)

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
                self.record,
                self._raw,
                ending.produced,
                ending.produced_events,
                ending.usage,
                self._books.heavy,
            )
        except Exception:  # a body that no counter can read is billed all the same
            logger.exception("the usage of %s could not be counted", self.record.id)
            FALLBACKS.note("usage_counter", self.record.id)
            produced = max(len(ending.produced) // 4, ending.produced_events)
            usage = Usage(input_tokens=self.record.input_tokens, output_tokens=produced, estimated=True)
        return await self._finish(ending, usage)

    async def _finish(self, ending: Ending, usage: Usage) -> Standing:
        charged = charge(usage, ending.sheet, self.most) if ending.is_billed else Charge(Receipt((), 0))
        self.usage, own = usage, charged
        if len(self.attempts) > 1:
            charged = self._with_tries(charged)
        self.cost_nanousd = charged.bill.total_nanousd
        close = self._close_record(ending, charged)
        if own.disputed_nanousd:
            self._dispute(close, own)
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
        return await self._books.admission.settle(close.id, close.usage.total_tokens, close.cost_nanousd)

    def _with_tries(self, charged: Charge) -> Charge:
        """Add what those cost that were tried before."""
        tries = add_tries(
            charged, self.usage, self.attempts, self.sheets, self.record.input_tokens, self.most
        )
        self.attempts = list(tries.attempts)
        if tries.is_estimated:
            self.usage = msgspec.structs.replace(self.usage, estimated=True)
        return tries.charged

    def _dispute(self, close: Close, own: Charge) -> None:
        logger.warning(
            "%s: %s/%s reported %d nano-USD more than it was allowed to; the tenant is charged %d",
            close.id,
            close.provider,
            close.deployment,
            own.disputed_nanousd,
            own.bill.total_nanousd,
        )
        reported = own.bill.total_nanousd + own.disputed_nanousd
        if self.exceeded is not None and reported > self.record.hold_nanousd:
            self.exceeded(close)

    def _close_record(self, ending: Ending, charged: Charge) -> Close:
        target, bill = ending.target, charged.bill
        decision = document(self.trace, self.attempts, self.record.model)
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
            price_id=ending.sheet.id,
            receipt=[msgspec.to_builtins(line) for line in bill.lines],
            latency_ms=round((time.perf_counter() - self._began) * 1000, 3),
            ttft_ms=ending.ttft_ms,
            overhead_ms=ending.overhead_ms,
            decision=[*decision, charged.facts] if charged.disputed_nanousd else decision,
            disputed_nanousd=charged.disputed_nanousd,
        )
