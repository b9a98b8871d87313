"""How much is unsettled at each deployment, for the operator. Blocking; one query by a partial index."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Count, Sum

from metering.models import UsageEvent

MOST = 200  # deployments: labels of a metric are bounded; those with the most money come first


class UnsettledAt(NamedTuple):
    """Calls whose outcome is not known yet, and what they may have used beyond their cost."""

    provider: str
    deployment: str
    calls: int
    nanousd: int


def unsettled_by_deployment(using: str = "default") -> list[UnsettledAt]:
    """Return where something is unsettled; one query."""
    found = UsageEvent.objects.using(using).filter(unsettled_nanousd__gt=0).values("provider", "deployment")
    sums = found.annotate(calls=Count("pk"), money=Sum("unsettled_nanousd")).order_by("-money")
    return [UnsettledAt(*row) for row in sums.values_list("provider", "deployment", "calls", "money")[:MOST]]
