"""The back office of aliases, deployments and prices. Removing leaves a tombstone, so that a restart undoes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.utils.timezone import now
from typing_extensions import override
from unfold.decorators import display

from catalog.forms import EACH, PER_TOKENS, PER_UNIT, DeploymentForm, ModelRowForm, PriceForm
from catalog.health import DEGRADED, OFFLINE, ONLINE, UNKNOWN
from catalog.models import RATES, Deployment, HealthProbe, Model, Origin, Price
from catalog.queries import provider_health
from catalog.services import bury, bury_model
from gateway import connections
from tenants.audit import actor_of
from tenants.back_office import BackOffice, ReadOnly, StackedInline, TabularInline
from tenants.form_fields import usd

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest


COLORS = {ONLINE: "success", DEGRADED: "warning", OFFLINE: "danger", UNKNOWN: "info"}


class Buries(BackOffice):
    """Deleting buries rows: nothing that belongs to them goes, so nothing more need be allowed or listed."""

    @override
    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        rows = list(objs)
        return [str(row) for row in rows], {self.opts.verbose_name_plural: len(rows)}, set(), []


class DeploymentInline(StackedInline):
    model = Deployment
    form = DeploymentForm
    fields: ClassVar[tuple[str, ...]] = (*DeploymentForm.Meta.fields[1:], "api_key", "forget_key")
    extra = 0
    can_delete = False
    show_change_link = True

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(removed=False).select_related("credential", "model")


@admin.register(Model)
class ModelAdmin(Buries):
    form = ModelRowForm
    list_display = (
        "alias",
        "model_type",
        "enabled",
        "strategy",
        "deployment_names",
        "owner",
        "context_window",
    )
    list_filter = ("model_type", "enabled", "origin")
    search_fields = ("alias",)
    ordering = ("alias",)
    inlines: ClassVar[tuple[Any, ...]] = (DeploymentInline,)

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(removed=False).prefetch_related("deployments")

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("alias",) if obj is not None and obj.origin == Origin.FILE else ()

    @admin.display(description="deployments")
    def deployment_names(self, model: Model) -> str:
        return ", ".join(sorted(row.name for row in model.deployments.all() if not row.removed)) or "none"

    @admin.display(description="follows")
    def owner(self, model: Model) -> str:
        return _owner(model)

    @override
    def _delete(self, request: HttpRequest, rows: Iterable[Any]) -> None:
        for row in rows:
            bury_model(row, actor_of(request))


class PriceInline(TabularInline):
    """Prices are added, never changed: the row in force is closed when the next one is saved."""

    model = Price
    form = PriceForm
    fields: ClassVar[tuple[str, ...]] = (
        "input",
        "output",
        "cached_input",
        "image",
        "second",
        "request",
        "free",
    )
    extra = 0
    can_delete = False
    verbose_name = "new price, in force from now on"

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).none()  # what was in force is on the page of prices


@admin.register(Deployment)
class DeploymentAdmin(Buries):
    form = DeploymentForm
    list_display = (
        "name",
        "model",
        "provider",
        "upstream_model",
        "region",
        "priority",
        "weight",
        "enabled",
        "health_now",
        "problem_now",
    )
    list_filter = ("provider", "enabled", "origin")
    list_select_related = ("model", "credential")
    search_fields = ("name", "model__alias", "upstream_model")
    autocomplete_fields = ("model",)
    fields: ClassVar[tuple[str, ...]] = (
        *DeploymentForm.Meta.fields,
        "api_key",
        "forget_key",
        "problem_now",
        "owner",
    )
    readonly_fields = ("problem_now", "owner")
    inlines: ClassVar[tuple[Any, ...]] = (PriceInline,)

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super().get_queryset(request).filter(removed=False, model__removed=False).select_related("model")
        )

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        keyed = ("model", "name") if obj is not None and obj.origin == Origin.FILE else ()
        return (*self.readonly_fields, *keyed)

    @override
    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        page = super().get_changelist_instance(request)
        states = {doing.id: doing.state for doing in provider_health(now())}
        for row in page.result_list:
            row.health_state = states.get(row.pk, UNKNOWN)
        return page

    @display(description="health", label=COLORS)  # type: ignore[untyped-decorator]  # Unfold has no types
    def health_now(self, row: Any) -> str:
        return str(row.health_state)

    @admin.display(description="problem")
    def problem_now(self, row: Deployment) -> str:
        """Say why the row serves nothing: what it knows itself, then what this process found when it read it."""
        if row.problem or not row.pk:
            return row.problem
        if not row.enabled:
            return "disabled by the configuration file" if _owner(row) == "file" else "disabled"
        problems = connections.live().snapshot.problems if connections.is_open() else ()
        found = (p.reason for p in problems if (p.alias, p.deployment) == (row.model.alias, row.name))
        return next(found, "")

    @admin.display(description="follows")
    def owner(self, row: Deployment) -> str:
        return _owner(row)

    @override
    def _delete(self, request: HttpRequest, rows: Iterable[Any]) -> None:
        for row in rows:
            bury(row, actor_of(request))


@admin.register(Price)
class PriceAdmin(BackOffice):
    form = PriceForm
    list_display = (
        "deployment",
        "alias",
        "active_from",
        "active_to",
        "input_usd",
        "output_usd",
        "free",
        "source",
    )
    list_filter = ("source", "free", ("active_to", admin.EmptyFieldListFilter))
    list_select_related = ("deployment__model",)
    search_fields = ("deployment__name", "deployment__model__alias")
    autocomplete_fields = ("deployment",)
    ordering = ("-active_from", "-pk")

    @override
    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("deployment", "free", *RATES, "images")
        return ("deployment", "alias", "active_from", "active_to", "source", "free", "rates_usd", "images")

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("alias", "active_from", "active_to", "source", "rates_usd")

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="alias")
    def alias(self, price: Price) -> str:
        return price.deployment.model.alias

    @admin.display(description="USD")
    def rates_usd(self, price: Price) -> str:
        stated = {rate: getattr(price, rate) for rate in RATES if getattr(price, rate) is not None}
        return ", ".join(
            f"{rate.replace('_', ' ')} {usd(value, PER_UNIT):f} each"
            if rate in EACH
            else f"{rate.replace('_', ' ')} {usd(value, PER_TOKENS):f} per 1M"
            for rate, value in stated.items()
        )

    @admin.display(description="USD per 1M input tokens")
    def input_usd(self, price: Price) -> str:
        return _shown(price.input)

    @admin.display(description="USD per 1M output tokens")
    def output_usd(self, price: Price) -> str:
        return _shown(price.output)


def _shown(rate: int | None) -> str:
    return "" if rate is None else f"{usd(rate, PER_TOKENS):f}"


def _owner(row: Model | Deployment) -> str:
    return "file" if row.origin == Origin.FILE and not row.edited else "admin"


@admin.register(HealthProbe)
class HealthProbeAdmin(ReadOnly):
    """The history of the background probes of the last week."""

    list_display = ("at", "provider", "endpoint", "health", "since", "status", "latency_ms", "error")
    list_filter = ("state", "provider")
    search_fields = ("endpoint", "error")
    ordering = ("-at", "-pk")

    @display(description="state", label=COLORS, ordering="state")  # type: ignore[untyped-decorator]  # as above
    def health(self, row: HealthProbe) -> str:
        return row.state
