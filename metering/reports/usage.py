"""Usage reports: calls, tokens and money by day, tenant, model or key. From the roll-ups, and from the ledger for
hours that changed since, so a report is never behind. Whole UTC hours. About 100 ms over two million calls.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from django.db.models import Count, Max, Q, QuerySet, Sum, Value
from django.db.models.functions import TruncDate

from metering.ledger.changed_hours import HOUR, hour_of
from metering.ledger.spend_windows import OWNER_COLUMN
from metering.models import HourlyUsage, Status, UsageEvent
from metering.reports.rollup import SUMS, changed_hours, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Dimension = Literal["day", "tenant", "key", "model", "provider", "deployment", "status"]
_COUNTS = ("calls", "failed_calls", "estimated_calls")


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls, and how to group them. `since` and `until` are widened to whole hours; empty tuples mean all.

    A day is one of `timezone`; the hour at its border counts to the day it begins in.
    """

    since: datetime
    until: datetime
    by: tuple[Dimension, ...] = ()
    tenant_ids: tuple[int, ...] = ()
    key_ids: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    timezone: str = "UTC"


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One group; `group` has a value per dimension asked for: a date, an id or a name. `tenant` is its last name."""

    group: tuple[Any, ...]
    tenant: str
    calls: int
    failed_calls: int
    estimated_calls: int
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    images: int
    audio_seconds: float
    characters: int
    cost_nanousd: int
    latency_ms: float


def run(question: UsageQuery, using: str = "default") -> list[UsageRow]:
    """Return the lines, ordered by group. Blocking.

    The list of changed hours is read once and first: its hours come from the ledger, the rest from roll-ups,
    and an hour that is rolled up meanwhile is in one of them only.
    """
    since = hour_of(question.since)
    changed = changed_hours(since, question.until, using)
    expired_before = state_of(using).expired_before or since
    groups: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(dict)
    replaced = [hour for hour in changed if hour >= expired_before]  # an expired hour's late calls are added
    for rows in (_rolled_up(question, replaced, using), _fresh(question, changed, using)):
        for row in rows.filter(n_calls__gt=0):  # an empty sum is a row too
            _add(groups[tuple(row[_name(part)] for part in question.by)], row)
    ordered = sorted(groups.items(), key=lambda item: item[0])
    return [UsageRow(group=group, **sums) for group, sums in ordered]


def _rolled_up(
    question: UsageQuery, changed: Sequence[datetime], using: str
) -> QuerySet[Any, dict[str, Any]]:
    rows = HourlyUsage.objects.using(using).filter(
        _scope(question), hour__gte=hour_of(question.since), hour__lt=question.until
    )
    sums = {
        "n_calls": Sum("calls"),
        "n_failed_calls": Sum("calls", filter=~Q(status=Status.OK)),
        "n_estimated_calls": Sum("estimated_calls"),
    }
    return _grouped(rows.exclude(hour__in=changed) if changed else rows, question, "hour", sums)


def _fresh(question: UsageQuery, changed: Sequence[datetime], using: str) -> QuerySet[Any, dict[str, Any]]:
    events = UsageEvent.objects.using(using).filter(_scope(question))
    spans = [Q(started_at__gte=start, started_at__lt=end) for start, end in _joined(changed)]
    sums = {
        "n_calls": Count("id"),
        "n_failed_calls": Count("id", filter=~Q(status=Status.OK)),
        "n_estimated_calls": Count("id", filter=Q(estimated=True)),
    }
    return _grouped(
        events.filter(reduce(or_, spans)) if spans else events.none(), question, "started_at", sums
    )


def _scope(question: UsageQuery) -> Q:
    asked = {
        "tenant_id__in": question.tenant_ids,
        "key_id__in": question.key_ids,
        "model__in": question.models,
    }
    return Q(**{name: values for name, values in asked.items() if values})


def _grouped(
    rows: QuerySet[Any], question: UsageQuery, instant: str, sums: dict[str, Any]
) -> QuerySet[Any, Any]:
    if "day" in question.by:
        rows = rows.annotate(day=TruncDate(instant, tzinfo=ZoneInfo(question.timezone)))
    names = [_name(part) for part in question.by]
    grouped = rows.order_by().annotate(all=Value(0)).values("all", *names)
    sums_by_group: QuerySet[Any, Any] = grouped.annotate(
        n_tenant=Max("tenant"), **sums, **{f"n_{name}": Sum(name) for name in SUMS}
    )
    return sums_by_group


def _name(dimension: Dimension) -> str:
    return OWNER_COLUMN.get(dimension, dimension)


def _joined(hours: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the spans that hours, in order, form together."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in hours:
        if spans and spans[-1][1] == hour:
            spans[-1] = (spans[-1][0], hour + HOUR)
        else:
            spans.append((hour, hour + HOUR))
    return spans


def _add(sums: dict[str, Any], row: dict[str, Any]) -> None:
    sums["tenant"] = max(sums.get("tenant", ""), row["n_tenant"])
    for name in (*_COUNTS, *SUMS):
        value = row[f"n_{name}"] or 0
        sums[name] = sums.get(name, 0) + (value if isinstance(value, float) else int(value))
