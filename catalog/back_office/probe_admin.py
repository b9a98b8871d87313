"""The history of the background probes of the last week, in the back office."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from typing_extensions import override
from unfold.decorators import display

from catalog.health.queries import names_of, probes_named
from catalog.health.state import COLORS
from catalog.models import HealthProbe, Provider
from tenants.back_office.admin_base import ReadOnlyAdmin
from tenants.back_office.list_filters import OneOf

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest


class StateFilter(OneOf):
    title = parameter_name = "state"

    @override
    def offered(self) -> list[tuple[str, str]]:
        return [(state, state.capitalize()) for state in COLORS]


class ProviderFilter(OneOf):
    title = parameter_name = "provider"

    @override
    def offered(self) -> list[tuple[str, str]]:
        return [(each.value, str(each.label)) for each in Provider]


@admin.register(HealthProbe)
class HealthProbeAdmin(ReadOnlyAdmin):
    list_display = (
        "at",
        "stands_for",
        "provider_name",
        "endpoint",
        "health",
        "since",
        "status",
        "latency_ms",
        "error",
    )
    list_filter = (StateFilter, ProviderFilter)
    search_fields = ("place",)
    search_help_text = "A part of a deployment's or a model's name."
    ordering = ("-at", "-pk")
    sortable_by: ClassVar[tuple[str, ...]] = ()
    fields = (
        "at",
        "stands_for",
        "provider_name",
        "endpoint",
        "state",
        "since",
        "failures",
        "status",
        "latency_ms",
        "error",
    )
    readonly_fields = ("stands_for", "provider_name")

    @override
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        text = search_term.strip()
        return (queryset.filter(place__in=probes_named(text)) if text else queryset), False

    @override
    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        page = super().get_changelist_instance(request)
        names = names_of(pk for row in page.result_list for pk in row.deployments)
        for row in page.result_list:
            row.names = names
        return page

    @admin.display(description="deployments")
    def stands_for(self, row: Any) -> str:
        names = getattr(row, "names", None)
        names = names_of(row.deployments) if names is None else names
        return ", ".join(sorted(names.get(pk, f"deleted deployment {pk}") for pk in row.deployments))

    @admin.display(description="provider")
    def provider_name(self, row: HealthProbe) -> str:
        known = {each.value: str(each.label) for each in Provider}
        return known.get(row.provider, row.provider)

    @display(description="state", label=COLORS)  # type: ignore[untyped-decorator]  # Unfold has no types
    def health(self, row: HealthProbe) -> str:
        return row.state
