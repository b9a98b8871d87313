"""The ledger in the back office: to look at, never to touch. Searches use the ledger's indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.utils.functional import cached_property
from typing_extensions import override

from metering.models import UsageEvent
from tenants.back_office import ReadOnly
from tenants.form_fields import usd

if TYPE_CHECKING:
    from django.http import HttpRequest

MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic for the checker only
    """Counts at most MOST_COUNTED rows: a ledger of millions must open as fast as one of ten."""

    @cached_property
    @override
    def count(self) -> int:
        return len(self.object_list.values_list("pk")[:MOST_COUNTED])  # type: ignore[attr-defined]  # a query set


@admin.register(UsageEvent)
class UsageEventAdmin(ReadOnly):
    paginator = BoundedPaginator
    list_display = (
        "id",
        "started_at",
        "tenant",
        "api_key_prefix",
        "model",
        "deployment",
        "status",
        "http_status",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "latency_ms",
    )
    list_filter = (
        "started_at",
        "status",
        "stream",
        "estimated",
    )  # no list that asks the table for its values
    search_fields = ("=id", "=tenant", "=api_key_prefix", "=model", "=client_request_id")
    search_help_text = "The whole request id, tenant, key prefix or model."
    ordering = ("-started_at",)
    sortable_by: ClassVar[tuple[str, ...]] = ("started_at",)

    @override
    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = [field.name for field in UsageEvent._meta.concrete_fields]  # noqa: SLF001 - Django's documented model API
        return ["cost_usd", *names]

    @admin.display(description="cost in USD")
    def cost_usd(self, event: UsageEvent) -> str:
        return f"{usd(event.cost_nanousd):f}"
