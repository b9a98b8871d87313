"""How serving processes learn of settled calls: they read the newest settlements, and publish the windows' totals.

Totals are absolute and versioned, so it does no harm if each process publishes them, twice, or those of yesterday.
`manage.py settle` and the job therefore need no connection to the processes, and the processes need no message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from django.conf import settings
from django.db import connections

from budgets.admission.interface import WindowKey, WindowTotal
from gateway.stores.database_threads import InDatabase
from metering.ledger.rolling_days import with_first_return
from metering.ledger.write import select_windows
from metering.models import Settlement, UsageEvent
from metering.settlement.late_settlement import ByPolicy, settle
from tenants.audit import Actor

AT_ONCE = 200
QUARTER_S = 900  # no window begins or ends within one: only at local midnights
MOST_A_RUN = 2_000
NEWS = timedelta(days=1)  # how far back a starting process reads: Redis may not have them
KEEP = timedelta(days=7)
POLICY = Actor("policy")


class AcceptsTotals(Protocol):
    """The one method of admission that is used here."""

    async def publish_totals(self, posts: Sequence[WindowTotal], request_ids: Sequence[str]) -> bool: ...


class SettledTotals(NamedTuple):
    """The totals that settlements changed, and the newest one that was read."""

    posts: list[WindowTotal]
    last: int


class SettlementReader:
    """Used by one process. `in_database` runs a blocking read in the database threads."""

    def __init__(
        self, admission: AcceptsTotals, in_database: InDatabase, now: Callable[[], datetime]
    ) -> None:
        self._admission, self._in_database, self._now = admission, in_database, now
        self._last = 0

    async def publish_settled(self) -> None:
        """Publish the new totals to admission. Raises DatabaseError."""
        settled = await self._in_database(read_settled, self._last, self._now() - NEWS)
        if settled.posts:
            await self._admission.publish_totals(settled.posts, [])
        self._last = settled.last


def read_settled(last: int, since: datetime, using: str = "default") -> SettledTotals:
    """Return what was settled after settlement `last`; those before `since` are skipped. One small query."""
    found = list(
        Settlement.objects.using(using)
        .filter(id__gt=last, at__gte=since)
        .order_by("id")
        .values_list("id", "tenant_id", "key_id", "started_at")[:AT_ONCE]
    )
    connection = connections[using]
    adapt = connection.ops.adapt_datetimefield_value
    posts: dict[WindowKey, WindowTotal] = {}
    quarters = {(tenant, key, int(at.timestamp()) // QUARTER_S) for _, tenant, key, at in found}
    for tenant_id, key_id, quarter in quarters:
        at = adapt(datetime.fromtimestamp(quarter * QUARTER_S, UTC))
        scopes = [f"tenant:{tenant_id}", f"key:{key_id}"]
        condition = 'scope IN (%s, %s) AND start <= %s AND "end" > %s'
        for window in select_windows(connection, condition, [*scopes, at, at]):
            post = with_first_return(connection, window.post())
            posts[post.window] = post
    return SettledTotals(list(posts.values()), found[-1][0] if found else last)


def settle_due(now: datetime, using: str = "default") -> int:
    """Settle by policy the calls that stayed unsettled for `metering.unsettled_after`. Return how many."""
    rules = settings.GATEWAY.metering
    due = UsageEvent.objects.using(using).filter(
        unsettled_nanousd__gt=0, finished_at__lte=now - timedelta(seconds=rules.unsettled_after)
    )
    ids = list(due.order_by("started_at").values_list("id", flat=True)[:MOST_A_RUN])
    for request_id in ids:
        settle(request_id, ByPolicy(rules.unsettled), POLICY, now, using)
    Settlement.objects.using(using).filter(at__lt=now - KEEP).delete()
    return len(ids)
