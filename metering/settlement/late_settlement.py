"""Settles a call whose outcome was not known: by its usage, by its cost, or by policy (decision 0014). Blocking.

One transaction for the row, the windows of its tenant and key, the mark of its hour, and a settlement by which serving
processes learn the new totals (metering/settlement/news.py). A call that is exact already is not changed, so settling
twice equals once. No more is charged than was counted; the operator disputes the excess, as for any call.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
from django.db import connections, transaction

from catalog.pricing.prices import Receipt, ReceiptLine
from gateway.values.timestamps import rfc3339
from metering.decision import Settled
from metering.disputed_usage import Charge, ChargeLimit, charge
from metering.ledger.changed_hours import mark_changed_hours
from metering.ledger.write import lock_windows, select_windows
from metering.models import Settlement, UsageEvent
from metering.unknown_usage import IS, Bounds
from metering.window_amount import Amount
from tenants.audit import Actor, facts_of, record

if TYPE_CHECKING:
    from datetime import datetime

    from providers.usage import Usage

logger = logging.getLogger(__name__)
Policy = Literal["estimate", "bound"]
CHANGED = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_seconds",
    "estimated",
    "cost_nanousd",
    "unsettled_nanousd",
    "usage",
    "receipt",
    "decision",
)


class UnknownCall(Exception):
    """The ledger has no such call (yet)."""


class NoPrice(Exception):
    """The call's usage cannot be priced: its price was not kept, or is not known to the ledger."""


class ByUsage(NamedTuple):
    """The usage that the provider reports."""

    usage: Usage


class ByCost(NamedTuple):
    """The cost that the provider billed."""

    nanousd: int


class ByPolicy(NamedTuple):
    """Nothing was reported in time: `estimate` keeps what was charged, `bound` charges all that was counted."""

    policy: Policy


Known = ByUsage | ByCost | ByPolicy


class Outcome(NamedTuple):
    """`was_exact`: nothing was changed. Amounts in nano-USD; `freed` is what budgets no longer count."""

    cost_nanousd: int
    freed_nanousd: int = 0
    disputed_nanousd: int = 0
    was_exact: bool = False


def settle(request_id: str, known: Known, by: Actor, now: datetime, using: str = "default") -> Outcome:
    """Make one call exact. Raises UnknownCall, NoPrice, DatabaseError."""
    connection = connections[using]
    with transaction.atomic(using=using):
        lock_windows(connection, exclusive=True)  # serializes batches, sums and other settlements
        event = UsageEvent.objects.using(using).filter(pk=request_id).first()
        if event is None:
            raise UnknownCall(request_id)
        if not event.unsettled_nanousd:
            return Outcome(event.cost_nanousd, was_exact=True)
        before = facts_of(event)
        charged = _charge(event, known)
        counted = event.cost_nanousd + event.unsettled_nanousd
        _change(event, known, charged, by, now)
        event.save(using=using, update_fields=CHANGED)
        _update_windows(event, Amount(event.cost_nanousd - counted, -before["unsettled_nanousd"]), using)
        mark_changed_hours(connection, [event.started_at.timestamp()])
        Settlement.objects.using(using).create(
            request_id=event.id,
            tenant_id=event.tenant_id,
            key_id=event.key_id,
            started_at=event.started_at,
            at=now,
        )
        if not isinstance(known, ByPolicy):
            record(by, "settle", event, before=before, after=facts_of(event))
    if charged.disputed_nanousd:
        disputed = {"request_id": event.id, "disputed_nanousd": charged.disputed_nanousd}
        logger.warning("settlement.disputed", extra=disputed)
    return Outcome(event.cost_nanousd, counted - event.cost_nanousd, charged.disputed_nanousd)


def _charge(event: UsageEvent, known: Known) -> Charge:
    """Return what the tenant pays: at most what its budgets count."""
    counted = event.cost_nanousd + event.unsettled_nanousd
    match known:
        case ByUsage(usage):
            bounds = _bounds(event)
            return charge(usage, bounds.sheet, ChargeLimit(bounds.most_output, counted))
        case ByCost(nanousd):
            paid = min(nanousd, counted)
            return Charge(Receipt((_line(paid, event.price_id),), paid), nanousd - paid)
    rest = event.unsettled_nanousd if known.policy == "bound" else 0
    lines = [msgspec.convert(line, ReceiptLine) for line in event.receipt]
    if rest:
        lines.append(_line(rest, event.price_id))
    return Charge(Receipt(tuple(lines), event.cost_nanousd + rest))


def _bounds(event: UsageEvent) -> Bounds:
    kept = next((entry for entry in event.decision if entry.get("is") == IS), None)
    if kept is None:
        raise NoPrice(event.id)
    return msgspec.convert(kept, Bounds)


def _line(nanousd: int, price_id: int) -> ReceiptLine:
    return ReceiptLine("settled", 1, str(nanousd), str(nanousd), price_id)


def _change(event: UsageEvent, known: Known, charged: Charge, by: Actor, now: datetime) -> None:
    settled = Settled(
        by=by.name,
        at=rfc3339(now.timestamp()),
        how=_method(known),
        cost_nanousd=event.cost_nanousd,
        unsettled_nanousd=event.unsettled_nanousd,
    )
    decision = [entry for entry in event.decision if entry.get("is") != IS]
    decision.append(msgspec.to_builtins(settled))
    if charged.disputed_nanousd:
        decision.append(charged.facts)
    event.decision = decision
    event.receipt = [msgspec.to_builtins(line) for line in charged.bill.lines]
    event.cost_nanousd, event.unsettled_nanousd = charged.bill.total_nanousd, 0
    event.estimated = isinstance(known, ByPolicy)
    if isinstance(known, ByUsage):
        event.estimated = known.usage.estimated
        _set_usage(event, known.usage.with_few_tools({line.note for line in charged.bill.lines}))


def _method(known: Known) -> str:
    match known:
        case ByUsage():
            return "by its usage"
        case ByCost():
            return "by its cost"
    return f"by policy ({known.policy})"


def _set_usage(event: UsageEvent, usage: Usage) -> None:
    event.input_tokens = usage.total_input_tokens
    event.cached_input_tokens = usage.cached_input_tokens
    event.cache_write_tokens = usage.cache_write_tokens + usage.cache_write_1h_tokens
    event.output_tokens = usage.total_output_tokens
    event.reasoning_tokens = usage.reasoning_tokens
    event.audio_seconds = usage.audio_ms / 1000
    event.usage = msgspec.to_builtins(usage)


def _update_windows(event: UsageEvent, change: Amount, using: str) -> None:
    """Change the windows of the call. Each gets a new version, even if the total stays the same."""
    connection = connections[using]
    at = connection.ops.adapt_datetimefield_value(event.started_at)
    windows = select_windows(
        connection,
        'scope IN (%s, %s) AND start <= %s AND "end" > %s',
        [f"tenant:{event.tenant_id}", f"key:{event.key_id}", at, at],
    )
    with connection.cursor() as cursor:
        for window in windows:
            cursor.execute(
                "UPDATE budgets_spendwindow SET spent_nanousd = spent_nanousd + %s, "
                "unsettled_nanousd = unsettled_nanousd + %s, version = version + 1 WHERE id = %s",
                [*change, window.id],
            )
