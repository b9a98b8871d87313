"""Admin pages of limits and budgets, and their parts on the pages of tenants and keys."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from typing_extensions import override

from budgets.back_office import window_admin  # noqa: F401 - the import registers its page
from budgets.back_office.money_text import amount, details, line, resets
from budgets.back_office.owner_links import link
from budgets.back_office.spending import Spending, default_budget, spending_of
from budgets.forms import RULES, BudgetForm, RateLimitForm
from budgets.models import Budget, RateLimit
from budgets.schedule_labels import period_of
from budgets.services import delete_rule, save_rule
from catalog.alias_lists import ApiKeyModelsForm, TenantModelsForm
from gateway.values.limits import RATES, UNLIMITED
from tenants.admin import ApiKeyAdmin, TenantAdmin
from tenants.back_office.admin_base import AuditedModelAdmin, StackedInline, TabularInline
from tenants.back_office.row_services import SERVICES, RowServices
from tenants.models import ApiKey, Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

MOST_SCHEDULES = 50  # that the filter offers
DASH = "–"  # noqa: RUF001 - for "there is none"
BUDGET_FIELDS = ("money_now", "limit_nanousd", "schedule", "days", *RULES)


class RateLimitInline(TabularInline):
    model = RateLimit
    form = RateLimitForm
    fields = RATES
    extra = 0
    max_num = 1
    tab = True

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("tenant", "key")


class ShowsMoney:
    """A page of one or more budgets with the status of each."""

    @admin.display(description="now")
    def money_now(self, row: Budget) -> SafeString | str:
        return details(_spending(row), row.schedule) if row.pk else DASH


class BudgetInline(ShowsMoney, StackedInline):
    model = Budget
    form = BudgetForm
    fields: ClassVar[tuple[str, ...]] = BUDGET_FIELDS
    readonly_fields = ("money_now",)
    extra = 0
    tab = True

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("tenant", "key__tenant")


class WithMoney(AuditedModelAdmin):
    """A list of owners with the status of their budgets: two queries and one read of the counters a page."""

    @override
    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        page = super().get_changelist_instance(request)
        owner = "tenant" if self.model is Tenant else "key"
        rows = Budget.objects.filter(**{f"{owner}__in": [row.pk for row in page.result_list]})
        budgets: dict[int, list[Budget]] = defaultdict(list)
        for budget in rows.select_related("tenant", "key__tenant").order_by("pk"):
            budgets[getattr(budget, f"{owner}_id")].append(budget)
        for row in page.result_list:
            if not budgets[row.pk] and isinstance(row, Tenant) and (usual := default_budget(row)) is not None:
                budgets[row.pk].append(usual)
            row.shown_budgets = budgets[row.pk]
        _ask_for([budget for several in budgets.values() for budget in several])
        return page

    @admin.display(description="budget (USD)")
    def money_now(self, row: Any) -> SafeString | str:
        lines = [line(_spending(budget), budget.schedule) for budget in row.shown_budgets]
        return _joined(lines) if lines else DASH


class TenantPage(WithMoney, TenantAdmin):
    form = TenantModelsForm
    list_display = (*TenantAdmin.list_display[:3], "money_now", *TenantAdmin.list_display[3:])
    inlines: ClassVar[tuple[Any, ...]] = (*TenantAdmin.inlines, RateLimitInline, BudgetInline)


class ApiKeyPage(WithMoney, ApiKeyAdmin):
    form = ApiKeyModelsForm
    list_display = (*ApiKeyAdmin.list_display[:4], "money_now", *ApiKeyAdmin.list_display[4:])
    inlines: ClassVar[tuple[Any, ...]] = (*ApiKeyAdmin.inlines, RateLimitInline, BudgetInline)


SERVICES[RateLimit] = SERVICES[Budget] = RowServices(save_rule, delete_rule)
admin.site.unregister((Tenant, ApiKey))
admin.site.register(Tenant, TenantPage)
admin.site.register(ApiKey, ApiKeyPage)


@admin.register(RateLimit)
class RateLimitAdmin(AuditedModelAdmin):
    form = RateLimitForm
    list_display = ("__str__", "owner", "requests", "tokens", "parallel", "follows")
    list_filter = ("origin", "edited")
    list_select_related = ("tenant", "key")
    search_fields = ("tenant__name", "key__name", "key__prefix")
    search_help_text = "A part of the tenant's or the key's name."
    autocomplete_fields = ("tenant", "key")

    @admin.display(description="tenant or API key")
    def owner(self, row: RateLimit) -> SafeString | str:
        return link(row.owner)

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


class OfSchedule(admin.SimpleListFilter):
    """Filters by schedule, each shown by its name: "Monthly budget"."""

    title, parameter_name = "schedule", "schedule"

    @override
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kept = Budget.objects.order_by("schedule").values_list("schedule", flat=True).distinct()
        return [(schedule, period_of(schedule)) for schedule in kept[:MOST_SCHEDULES]]

    @override
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(schedule=self.value()) if self.value() else queryset


@admin.register(Budget)
class BudgetAdmin(ShowsMoney, AuditedModelAdmin):
    form = BudgetForm
    list_display = ("__str__", "limit_usd", "spent", "held", "left", "resets", "follows")
    fields: ClassVar[tuple[str, ...]] = ("tenant", "key", *BUDGET_FIELDS)
    readonly_fields = ("money_now",)
    list_filter = (OfSchedule, "on_insufficient", "origin")
    list_select_related = ("tenant", "key__tenant")
    search_fields = ("tenant__name", "key__name", "key__prefix")
    search_help_text = "A part of the tenant's or the key's name."
    autocomplete_fields = ("tenant", "key")

    @override
    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        page = super().get_changelist_instance(request)
        _ask_for(page.result_list)
        return page

    @admin.display(description="limit in USD", ordering="limit_nanousd")
    def limit_usd(self, row: Budget) -> str:
        return amount(row.limit_nanousd)

    @admin.display(description="spent in USD")
    def spent(self, row: Budget) -> str:
        return amount(_spending(row).spent)

    @admin.display(description="held in USD")
    def held(self, row: Budget) -> str:
        return amount(_spending(row).held)

    @admin.display(description="left in USD")
    def left(self, row: Budget) -> str:
        return amount(_spending(row).left)

    @admin.display(description="resets")
    def resets(self, row: Budget) -> str:
        return resets(_spending(row), row.schedule)

    @admin.display(description="follows")
    def follows(self, row: Budget) -> str:
        return _follows(row)


def _ask_for(budgets: Sequence[Any]) -> None:
    """Attach its spending to each budget; all are read together."""
    for budget, spending in zip(budgets, spending_of(budgets), strict=True):
        budget.spending = spending


def _spending(budget: Any) -> Spending:
    """Return the spending that was read together with others, or read this one."""
    if not hasattr(budget, "spending"):
        _ask_for([budget])
    found: Spending = budget.spending
    return found


def _joined(lines: list[SafeString]) -> SafeString:
    return format_html(
        '<div class="money">{}</div>', format_html_join("", "<div>{}</div>", ((each,) for each in lines))
    )


def _shown(limit: int | None) -> str:
    if limit is None:
        return "inherits"
    return "unlimited" if limit == UNLIMITED else f"{limit:,}"


def _follows(row: RateLimit | Budget) -> str:
    return "file" if row.origin == "file" and not row.edited else "admin"
