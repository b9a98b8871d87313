"""Results of an experiment: what each arm of an alias cost, how long it took and how often it failed.

One indexed query over the alias's calls of the period. Arms are those callers were assigned to, whoever answered.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from django.db.models import Avg, Count, Q, Sum
from django.db.models.fields.json import KeyTextTransform, KeyTransform

from metering.models import UsageEvent


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of an alias in a period."""

    name: str
    calls: int
    failed: int  # error and incomplete; a client that leaves says nothing about an arm
    output_tokens: int
    cost_nanousd: int
    latency_ms: float | None
    ttft_ms: float | None


def results(alias: str, since: datetime, until: datetime, using: str = "default") -> list[Arm]:
    """Return the arms that were met, by name."""
    calls = UsageEvent.objects.using(using).filter(model=alias, started_at__gte=since, started_at__lt=until)
    arm = KeyTextTransform("arm", KeyTransform("0", "decision"))
    rows = (
        calls.annotate(arm=arm)
        .filter(arm__isnull=False)
        .values("arm")
        .annotate(
            calls=Count("pk"),
            failed=Count("pk", filter=Q(status__in=("error", "incomplete"))),
            produced=Sum("output_tokens"),
            cost=Sum("cost_nanousd"),
            latency=Avg("latency_ms"),
            ttft=Avg("ttft_ms"),
        )
        .order_by("arm")
    )
    return [
        Arm(
            name=row["arm"],
            calls=row["calls"],
            failed=row["failed"],
            output_tokens=row["produced"] or 0,
            cost_nanousd=row["cost"] or 0,
            latency_ms=row["latency"],
            ttft_ms=row["ttft"],
        )
        for row in rows
    ]
