"""Admin page of what was spent in each window: by its owner's name, in USD. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from typing_extensions import override

from budgets.back_office.money_text import amount, instant
from budgets.back_office.owner_links import link, owners_of, scopes_named
from budgets.models import SpendWindow
from budgets.schedule_labels import in_words, period_of
from tenants.back_office.admin_base import ReadOnlyAdmin

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


@admin.register(SpendWindow)
class SpendWindowAdmin(ReadOnlyAdmin):
    list_display = ("window", "owner", "period", "begins", "ends", "spent_usd", "unsettled_usd")
    search_fields = ("scope",)
    search_help_text = "A part of a tenant's or a key's name, or a key's prefix."
    ordering = ("-pk",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    fields = ("owner", "period", "begins", "ends", "timezone", "spent_usd", "unsettled_usd")
    readonly_fields = ("owner", "period", "begins", "ends", "spent_usd", "unsettled_usd")

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        return (queryset.filter(scope__in=scopes_named(text)) if text else queryset), False

    @override
    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        page = super().get_changelist_instance(request)
        owners = owners_of(row.scope for row in page.result_list)
        for row in page.result_list:
            row.owner = owners.get(row.scope)
        return page

    @override
    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.owner = owners_of([row.scope]).get(row.scope)
        return row

    @admin.display(description="window")
    def window(self, row: SpendWindow) -> str:
        return period_of(row.schedule)

    @admin.display(description="tenant or API key")
    def owner(self, row: Any) -> SafeString | str:
        return link(row.owner, row.scope)

    @admin.display(description="begins again")
    def period(self, row: SpendWindow) -> str:
        return in_words(row.schedule)

    @admin.display(description="from")
    def begins(self, row: SpendWindow) -> str:
        return instant(row.start)

    @admin.display(description="until")
    def ends(self, row: SpendWindow) -> str:
        return instant(row.end)

    @admin.display(description="spent in USD")
    def spent_usd(self, row: SpendWindow) -> str:
        return amount(row.spent_nanousd - row.unsettled_nanousd)

    @admin.display(description="unsettled in USD")
    def unsettled_usd(self, row: SpendWindow) -> str:
        return amount(row.unsettled_nanousd)
