"""Writes the bill of one call: OPEN before anything is sent upstream, CLOSE durable before the last byte leaves,
then the grant is settled. Every call ends through exactly one of close() and void().
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from budgets.admission.interface import Admission, AdmissionUnavailable, LimitStatus
from catalog.pricing.prices import PriceSheet, Receipt, as_stored
from gateway.values.fallback_log import FALLBACKS
from metering import failpoints
from metering.attempt_costs import AttemptCosts, Sheets, add_attempt_costs, cost_of_one
from metering.decision import DecisionTrace, facts
from metering.disputed_usage import UNLIMITED, Charge, ChargeLimit, charge, limit_output
from metering.inflight import InFlightCall, InFlightCalls
from metering.journal.journal import Journal, MeteringUnavailable
from metering.journal.records import Answered, Close, Open
from metering.output_speed import Speeds
from metering.unknown_usage import Bounds
from metering.usage_estimate import Produced, estimate
from providers.exchange import QUICK_BYTES
from providers.processes.heavy_work import HeavyWork
from providers.reported_usage.places import usage_in
from providers.target import Target
from providers.upstream import Attempt
from providers.usage import Usage
from tenants.caller import Caller

logger = logging.getLogger(__name__)


class CallOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended. `usage` None: the provider did not report it, so it is estimated from `produced`."""

    status: str  # ok | error | cancelled | incomplete
    http_status: int
    error_code: str = ""
    target: Target | None = None  # the target that answered, or was tried last
    sheet: PriceSheet
    usage: Usage | None = None
    is_final_usage: bool = True  # False: the usage came before the end, and more was used since
    produced: str = ""
    produced_events: int = 0
    produced_tokens: int = 0  # of text that is not in `produced` any more
    is_billed: bool = True  # False: every provider refused, nothing was used
    ttft_ms: float | None = None
    overhead_ms: float = 0.0


def _known_usage(outcome: CallOutcome) -> Usage | None:
    """Return what is known of the usage; None: it must be counted, and stays unsettled. Zeros beside produced text
    cannot be true, nor can an input of zero.
    """
    if not outcome.is_billed:
        return Usage(requests=0)
    usage = outcome.usage
    if usage is None or not outcome.is_final_usage:
        return None
    is_untrue = not usage.total_input_tokens or outcome.produced_events or outcome.produced
    return None if usage.is_lacking and is_untrue else usage


class MeteringServices(msgspec.Struct, frozen=True):
    """Where a bill is written; the same for every call of a process. `observe` is called at every end."""

    journal: Journal
    admission: Admission
    running: InFlightCalls
    observe: Callable[[Open, Close, Sequence[Attempt]], None]
    heavy: HeavyWork | None = None  # counts large bodies
    speeds: Speeds = msgspec.field(default_factory=Speeds)


class Meter:
    """Created per call, after its grant."""

    def __init__(
        self,
        services: MeteringServices,
        record: Open,
        raw: bytes,
        trace: DecisionTrace | None = None,
        limit: ChargeLimit = UNLIMITED,
        received_at: float | None = None,
    ) -> None:
        """`received_at`: when the request arrived, by time.perf_counter: the start of all its times."""
        self.record, self.trace, self.limit = record, trace, limit
        self.on_excess: Callable[[Close], None] | None = (
            None  # called for a call that cost more than was held
        )
        self.attempts: list[Attempt] = []
        self.sheets: Sheets = lambda _: record.sheet  # the price of an attempt
        self.cost_nanousd: int | None = None
        self.usage = Usage()
        self._services = services
        self._raw = raw
        self._granted_at = time.perf_counter()
        self.received_at = self._granted_at if received_at is None else received_at
        self.waited_s = 0.0  # for providers: all attempts and the pauses between them
        self.is_booked = False  # the ledger has its row, or will have it
        self.call: InFlightCall | None = None
        self._is_over = False

    def overhead_ms(self) -> float:
        """Return the time of the call so far without waiting for providers.

        Its other times have the same start, so none of them is less.
        """
        return round((time.perf_counter() - self.received_at - self.waited_s) * 1000, 3)

    def open(self, caller: Caller) -> InFlightCall:
        """Write the OPEN. Raises MeteringUnavailable when the disk cannot take it; nothing was sent then."""
        self._services.journal.open_call(self.record)
        self.is_recorded = True
        self.call = InFlightCall(self.record, caller, asyncio.current_task())
        self._services.running.add(self.call)
        return self.call

    def record_response(self, target: Target, raw: bytes, usage: Usage | None = None) -> None:
        """Write that a whole response came, unless its end follows at once: crash recovery then bills it.

        `usage`: as its dialect read it; None: it was not read yet.
        """
        record = self.record
        if usage is None and len(raw) <= QUICK_BYTES:
            usage = usage_in(raw, has_output=record.has_output)
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
        self._services.journal.mark(noted)
        failpoints.reach("after_answered")

    async def close(self, outcome: CallOutcome) -> LimitStatus:
        """Price the call, make its end durable, settle its grant. Happens once, even if the task is cancelled."""
        if self._is_over:
            return LimitStatus()
        self._is_over = True
        if self.call is not None:
            self.call.task = None  # from here on there is nothing to cancel
        usage = _known_usage(outcome)
        if usage is None:  # counting may use a thread, so it must not be cancelled
            return await self._services.running.run_to_completion(self._count_and_finish(outcome))
        charged = charge(usage, outcome.sheet, self.limit) if outcome.is_billed else Charge(Receipt((), 0))
        return await self._finish(outcome, usage, charged, is_known=True)

    async def void(self) -> LimitStatus:
        """Discard the call: it never reached a provider. Return the limit status of its caller."""
        if self._is_over:
            return LimitStatus()
        self._is_over, self.is_recorded = True, False
        self._services.journal.void(self.record.id)
        self._services.running.remove(self.record.id)
        return await self._services.admission.settle(self.record.id, 0, 0)

    async def _count_and_finish(self, outcome: CallOutcome) -> LimitStatus:
        received = Produced(outcome.produced, outcome.produced_tokens, outcome.produced_events)
        try:
            usage = await estimate(self.record, self._raw, received, outcome.usage, self._services.heavy)
        except Exception as fault:  # a body that no counter can read is billed too
            logger.exception("usage.not_counted", extra={"request_id": self.record.id})
            FALLBACKS.note("usage_counter", fault)
            produced = max(outcome.produced_tokens + len(outcome.produced) // 4, outcome.produced_events)
            usage = Usage(input_tokens=self.record.input_tokens, output_tokens=produced, estimated=True)
        usage = limit_output(self._with_hidden(outcome, usage), self.limit.output_tokens)
        charged = Charge(charge(usage, outcome.sheet, self.limit).bill)  # no provider has claimed the excess
        return await self._finish(outcome, usage, charged, is_known=False)

    def _with_hidden(self, outcome: CallOutcome, usage: Usage) -> Usage:
        """Add output that was probably not seen: of a stream before its first content, of another call at any time."""
        if outcome.target is None:
            return usage
        is_seen = self.record.stream or bool(outcome.produced)
        elapsed_s = time.perf_counter() - self._granted_at
        silent_s = elapsed_s if outcome.ttft_ms is None else min(elapsed_s, outcome.ttft_ms / 1000)
        return self._services.speeds.with_hidden(usage, outcome.target.id, silent_s, is_seen=is_seen)

    async def raise_hold(self) -> bool:
        """Hold as much for one more attempt as for the first, which may be billed too. False: it cannot be held."""
        record = self.record
        hold = record.hold_nanousd + record.hold_of_one
        record = msgspec.structs.replace(record, hold_nanousd=hold, tries=record.tries + 1)
        try:
            if record.is_bound and not await self._services.admission.raise_hold(record.id, hold):
                return False
            self._services.journal.open_call(record)
        except (AdmissionUnavailable, MeteringUnavailable) as away:
            FALLBACKS.note("hold_for_another_try", away)
            return False
        self.record = record
        return True

    async def _finish(
        self, outcome: CallOutcome, usage: Usage, own: Charge, *, is_known: bool
    ) -> LimitStatus:
        """`own` is the cost of the last attempt that reached a provider; `is_known`: whether its usage is."""
        self.usage = usage = as_stored(usage, outcome.sheet)
        for at, each in enumerate(self.attempts):
            if each.usage is not None:
                kept = as_stored(each.usage, self.sheets(each))
                self.attempts[at] = msgspec.structs.replace(each, usage=kept)
        costs = self._with_attempt_costs(own, is_known=is_known)
        self.cost_nanousd = costs.charged.bill.total_nanousd
        close = self._close_record(outcome, costs)
        if own.disputed_nanousd:
            self._dispute(close, own)
        if not costs.unknown and outcome.target is not None and outcome.status == "ok":
            self._services.speeds.record(outcome.target.id, usage, close.finished_at - self.record.started_at)
        books = self._services
        try:
            # The journal has it before the first await, whatever happens to this task.
            await books.journal.close_call(close, soon=not self.record.stream)
        except asyncio.CancelledError:
            books.running.run_in_background(self._settle(close))
            raise
        finally:
            books.running.remove(close.id)
            books.observe(self.record, close, self.attempts)
        return await self._settle(close)

    def _settle(self, close: Close) -> Coroutine[Any, Any, LimitStatus]:
        tokens = close.usage.total_tokens
        return self._services.admission.settle(close.id, tokens, close.cost_nanousd, close.unsettled_nanousd)

    def _with_attempt_costs(self, charged: Charge, *, is_known: bool) -> AttemptCosts:
        """Add the cost of the earlier attempts."""
        if len(self.attempts) <= 1:
            return cost_of_one(charged, self.attempts, is_known=is_known)
        record, limit = self.record, self.limit
        hold = None if limit.nanousd is None else record.hold_nanousd
        known = (charged, self.usage, self.attempts, self.sheets)
        prompt = self.usage.input_tokens or record.input_tokens  # as reported or counted since
        costs = add_attempt_costs(*known, prompt, limit, hold, is_known=is_known)
        self.attempts = list(costs.attempts)
        if costs.is_estimated:
            self.usage = msgspec.structs.replace(self.usage, estimated=True)
        return costs

    def _dispute(self, close: Close, own: Charge) -> None:
        logger.warning(
            "usage.disputed",
            extra={
                "request_id": close.id,
                "provider": close.provider,
                "deployment": close.deployment,
                "disputed_nanousd": own.disputed_nanousd,
                "charged_nanousd": own.bill.total_nanousd,
            },
        )
        reported = own.bill.total_nanousd + own.disputed_nanousd
        if self.on_excess is not None and reported > self.record.hold_of_one:
            self.on_excess(close)

    def _close_record(self, outcome: CallOutcome, costs: AttemptCosts) -> Close:
        target, charged, bill = outcome.target, costs.charged, costs.charged.bill
        bounds = Bounds.for_call(self.record, outcome.sheet, costs)
        decision = facts(self.trace, self.attempts, self.record.model)
        unsettled = bounds.rest(bill.total_nanousd) if bounds is not None else 0
        if charged.disputed_nanousd:
            decision.append(charged.facts)
        if bounds is not None and unsettled:
            decision.append(bounds.facts())
        now = time.perf_counter()
        return Close(
            id=self.record.id,
            finished_at=self.record.started_at + (now - self._granted_at),
            status=outcome.status,
            http_status=outcome.http_status,
            error_code=outcome.error_code,
            provider=target.provider if target is not None else self.record.provider,
            deployment=target.name if target is not None else self.record.deployment,
            upstream_model=target.upstream_model if target is not None else self.record.upstream_model,
            attempts=max(1, len(self.attempts)),
            usage=self.usage,
            cost_nanousd=bill.total_nanousd,
            unsettled_nanousd=unsettled,
            price_id=outcome.sheet.id,
            receipt=list(bill.lines),
            latency_ms=round((now - self.received_at) * 1000, 3),
            ttft_ms=outcome.ttft_ms,
            overhead_ms=outcome.overhead_ms,
            decision=decision,
            disputed_nanousd=charged.disputed_nanousd,
        )
