"""Shared by tests of the shipper: the part of admission that it uses, calls, and the rows that they became."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from budgets.admission.interface import WindowKey, WindowTotal
from metering.journal.journal import Journal
from metering.models import UsageEvent
from tests.support.books.calls import NOON, closed, opened

JULY = datetime(2026, 7, 1, tzinfo=UTC).timestamp()
TENANT_JULY = WindowKey("tenant:3", "calendar_month", "UTC", JULY)
KEY_JULY = WindowKey("key:7", "calendar_month", "UTC", JULY)


class Posts:
    """The part of admission that the shipper uses; it records what it received."""

    def __init__(self) -> None:
        self.totals: dict[WindowKey, WindowTotal] = {}
        self.request_ids: list[str] = []
        self.is_heard = True

    async def publish_totals(self, posts: Sequence[WindowTotal], request_ids: Sequence[str]) -> bool:
        self.totals |= {post.window: post for post in posts}
        self.request_ids += request_ids
        return self.is_heard


async def serve(journal: Journal, *request_ids: str, at: float = NOON) -> None:
    for request_id in request_ids:
        journal.open_call(opened(request_id, at=at))
        await journal.close_call(closed(request_id, at=at + 2))


async def ledger() -> list[str]:
    return [row.id async for row in UsageEvent.objects.order_by("id")]
