"""The back office of limits and budgets, on pages of their own and on those of tenants and keys."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from budgets.forms import RATES, BudgetForm, RateLimitForm
from budgets.models import UNLIMITED, Budget, RateLimit, SpendWindow
from tenants.admin import ApiKeyAdmin, TenantAdmin
from tenants.back_office import BackOffice, ReadOnly, StackedInline, TabularInline
from tenants.form_fields import usd
from tenants.models import ApiKey, Tenant


class RateLimitInline(TabularInline):
    model = RateLimit
    form = RateLimitForm
    fields = RATES
    extra = 0
    max_num = 1
    tab = True


class BudgetInline(StackedInline):
    model = Budget
    form = BudgetForm
    fields: ClassVar[tuple[str, ...]] = BudgetForm.Meta.fields[2:]
    extra = 0
    tab = True


class TenantPage(TenantAdmin):
    inlines: ClassVar[tuple[Any, ...]] = (*TenantAdmin.inlines, RateLimitInline, BudgetInline)


class ApiKeyPage(ApiKeyAdmin):
    inlines: ClassVar[tuple[Any, ...]] = (*ApiKeyAdmin.inlines, RateLimitInline, BudgetInline)


admin.site.unregister((Tenant, ApiKey))
admin.site.register(Tenant, TenantPage)
admin.site.register(ApiKey, ApiKeyPage)


@admin.register(RateLimit)
class RateLimitAdmin(BackOffice):
    form = RateLimitForm
    list_display = ("__str__", "tenant", "key", "requests", "tokens", "parallel", "follows")
    list_filter = ("origin", "edited")
    list_select_related = ("tenant", "key")
    search_fields = ("tenant__name", "key__name", "key__prefix")
    autocomplete_fields = ("tenant", "key")

    @admin.display(description="requests a minute")
    def requests(self, row: RateLimit) -> str:
        return _shown(row.requests_per_minute)

    @admin.display(description="tokens a minute")
    def tokens(self, row: RateLimit) -> str:
        return _shown(row.tokens_per_minute)

    @admin.display(description="parallel requests")
    def parallel(self, row: RateLimit) -> str:
        return _shown(row.parallel_requests)

    @admin.display(description="follows")
    def follows(self, row: RateLimit) -> str:
        return _follows(row)


@admin.register(Budget)
class BudgetAdmin(BackOffice):
    form = BudgetForm
    list_display = ("__str__", "tenant", "key", "limit_usd", "schedule", "on_insufficient", "follows")
    list_filter = ("schedule", "on_insufficient", "origin")
    list_select_related = ("tenant", "key")
    search_fields = ("tenant__name", "key__name", "key__prefix")
    autocomplete_fields = ("tenant", "key")

    @admin.display(description="limit in USD", ordering="limit_nanousd")
    def limit_usd(self, row: Budget) -> str:
        return f"{usd(row.limit_nanousd):f}"

    @admin.display(description="follows")
    def follows(self, row: Budget) -> str:
        return _follows(row)


@admin.register(SpendWindow)
class SpendWindowAdmin(ReadOnly):
    list_display = ("scope", "schedule", "start", "end", "spent_usd", "unsettled_usd")
    list_filter = ("schedule",)
    search_fields = ("=scope",)
    ordering = ("-start", "scope")

    @admin.display(description="spent in USD", ordering="spent_nanousd")
    def spent_usd(self, row: SpendWindow) -> str:
        return f"{usd(row.spent_nanousd - row.unsettled_nanousd):f}"

    @admin.display(description="unsettled in USD", ordering="unsettled_nanousd")
    def unsettled_usd(self, row: SpendWindow) -> str:
        return f"{usd(row.unsettled_nanousd):f}"


def _shown(limit: int | None) -> str:
    if limit is None:
        return "inherits"
    return "unlimited" if limit == UNLIMITED else f"{limit:,}"


def _follows(row: RateLimit | Budget) -> str:
    return "file" if row.origin == "file" and not row.edited else "admin"
