"""The ledger in the back office: read-only. Searches use the ledger's indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.shortcuts import redirect
from django.urls import path
from django.utils.html import format_html, format_html_join
from typing_extensions import override
from unfold.decorators import action

from gateway.values.money import in_usd
from metering.back_office import request_log_admin  # noqa: F401 - it registers the page of calls without a row here
from metering.back_office.call_lists import CallList, OfCode, OfKey, OfModel, OfTenant
from metering.back_office.json_fields import STYLES, json_display
from metering.explain.story import Section, explain, receipt_lines
from metering.models import Status, UsageEvent
from metering.reports.experiment_page import page
from tenants.back_office.list_filters import OneOf

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

JSON_FIELDS = ("usage", "receipt", "decision")


class IsUnsettled(OneOf):
    """Calls whose outcome is not known; a partial index covers them."""

    title = parameter_name = "unsettled"

    @override
    def offered(self) -> list[tuple[str, str]]:
        return [("yes", "Yes")]

    @override
    def chosen(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        return rows.filter(unsettled_nanousd__gt=0)


class OfStatus(OneOf):
    """The status of a call. Every status but ok has an error code, which has its own index."""

    title = parameter_name = "status"

    @override
    def offered(self) -> list[tuple[str, str]]:
        return [(value, value) for value in Status.values]

    @override
    def chosen(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        found = rows.filter(status=value)
        return found if value == Status.OK else found.filter(error_code__gt="")


@admin.register(UsageEvent)
class UsageEventAdmin(CallList):
    class Media:
        css: ClassVar = {"all": (STYLES,)}

    usage_json, receipt_json, decision_json = map(json_display, JSON_FIELDS)
    list_display = (
        "call",
        "when",
        "tenant",
        "api_key_prefix",
        "model",
        "outcome",
        "cost_usd",
        "tokens",
        "latency",
        "deployment",
        "unsettled_usd",
    )
    list_filter = (
        "started_at",
        OfStatus,
        OfTenant,
        OfKey,
        OfModel,
        OfCode,
        "stream",
        "estimated",
        IsUnsettled,
    )  # no filter that queries the table for its values
    ordering = ("-started_at",)
    actions_list = ("open_experiments",)

    @override
    def get_urls(self) -> list[URLPattern]:
        own = path(
            "experiments/",
            self.admin_site.admin_view(lambda request: page(request, self)),
            name="metering_experiments",
        )
        return [own, *super().get_urls()]

    @action(description="Experiments", icon="science")  # type: ignore[untyped-decorator]  # Unfold has no types
    def open_experiments(self, _: HttpRequest) -> HttpResponse:
        return redirect("admin:metering_experiments")

    @override
    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = (field.name for field in UsageEvent._meta.concrete_fields)  # noqa: SLF001 - Django's documented model API
        names = [f"{name}_json" if name in JSON_FIELDS else name for name in fields]
        return [
            ("What happened", {"fields": ["story"]}),
            ("Receipt", {"fields": ["receipt_table", "cost_usd", "unsettled_usd"]}),
            ("The row of the ledger", {"fields": names}),
        ]

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = ["story", "receipt_table", "cost_usd", "unsettled_usd"]
        return [*shown, *(f"{name}_json" for name in JSON_FIELDS)]

    @admin.display(description="time", ordering="started_at")
    def when(self, event: UsageEvent) -> SafeString:
        return self._when(event.started_at)

    @admin.display(description="status")
    def outcome(self, event: UsageEvent) -> str:
        return f"{event.status} {event.http_status}" + (f" {event.error_code}" if event.error_code else "")

    @admin.display(description="tokens in / out")
    def tokens(self, event: UsageEvent) -> str:
        return f"{event.input_tokens:,} / {event.output_tokens:,}"

    @admin.display(description="ms")
    def latency(self, event: UsageEvent) -> str:
        return f"{event.latency_ms:,.0f}"

    @admin.display(description="cost in USD")
    def cost_usd(self, event: UsageEvent) -> str:
        return f"{in_usd(event.cost_nanousd):f}"

    @admin.display(description="unsettled in USD")
    def unsettled_usd(self, event: UsageEvent) -> str:
        return f"{in_usd(event.unsettled_nanousd):f}"

    @override
    def parts(self, row: UsageEvent) -> list[Section]:
        return explain(row)

    @admin.display(description="line by line")
    def receipt_table(self, event: UsageEvent) -> SafeString | str:
        if not event.receipt:
            return "Nothing was billed."
        rows = format_html_join(
            "", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", receipt_lines(event)
        )
        heads = format_html_join(
            "", "<th>{}</th>", ((name,) for name in ("what", "quantity", "USD each", "USD", "price"))
        )
        return format_html(
            '<table class="facts"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>',
            heads,
            rows,
        )
