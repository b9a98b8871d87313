"""Failures by tenant: what only one tenant sees may be caused by its requests, so it affects no other tenant. Pure.

0 is no tenant: the operator's own call, which counts at once. Cost: one dictionary a failure, nothing a success.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

MOST: Final = 256  # tenants that are counted separately; those beyond it count as one
_REST: Final = -1
FEW: Final = 4  # where so many consecutive failures open a breaker, two must be of other tenants


def add(counts: dict[int, int], tenant_id: int) -> None:
    """Count a failure of this tenant's call."""
    if tenant_id not in counts and len(counts) >= MOST:
        tenant_id = _REST
    counts[tenant_id] = counts.get(tenant_id, 0) + 1


def most_affected(counts: Mapping[int, int]) -> tuple[int, int]:
    """Return the tenant with the most failures, and how many; (0, 0) if there is none."""
    return max(
        ((tenant_id, times) for tenant_id, times in counts.items() if tenant_id),
        key=lambda each: each[1],
        default=(0, 0),
    )


def sum_by_tenant(several: Iterable[Mapping[int, int] | None]) -> dict[int, int]:
    """Return the sums by tenant."""
    whole: dict[int, int] = {}
    for counts in several:
        for tenant_id, times in (counts or {}).items():
            whole[tenant_id] = whole.get(tenant_id, 0) + times
    return whole


def failures_of_others(counts: Mapping[int, int]) -> int:
    """Return the number of failures besides those of the tenant with the most."""
    return sum(counts.values()) - most_affected(counts)[1]


def needed_of_others(consecutive: int) -> int:
    """Return how many failures of other tenants are needed where so many consecutive failures open a breaker."""
    return 2 if consecutive >= FEW else 1
