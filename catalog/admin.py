"""The back office of aliases, deployments and prices. A removal leaves a tombstone, so a restart restores nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import now
from typing_extensions import override
from unfold.decorators import action, display

from catalog.back_office import probe_admin  # noqa: F401 - it registers its page
from catalog.back_office.deployment_form import DeploymentForm
from catalog.back_office.model_problems import figures_to_state, known_problems, problem_of, problems_now
from catalog.back_office.price_admin import PriceInline
from catalog.forms import ModelRowForm
from catalog.health.queries import facts_text, price_text, provider_health, with_prices
from catalog.health.state import COLORS, UNKNOWN
from catalog.models import Deployment, ManagedBy, Model, Price
from catalog.services import (
    clear_refused_members,
    delete_deployment,
    delete_model,
    save_deployment,
    save_model,
)
from tenants.audit import actor_of
from tenants.back_office.admin_base import AuditedModelAdmin, StackedInline
from tenants.back_office.permitted import person_may
from tenants.back_office.row_services import SERVICES, RowServices
from tenants.permissions import VIEW

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


_FREE = Exists(Price.objects.filter(deployment=OuterRef("pk"), active_to=None, free=True))
_AFTER_ENDPOINT = DeploymentForm.Meta.fields.index("endpoint") + 1
FIELDS = (
    *DeploymentForm.Meta.fields[:_AFTER_ENDPOINT],
    "api_key",
    "forget_key",
    *DeploymentForm.Meta.fields[_AFTER_ENDPOINT:],
)


class SoftDeleteAdmin(AuditedModelAdmin):
    """Deletion is a soft delete: related rows stay, so no other permission or listing is needed."""

    @override
    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Warn at once about what would not serve, before a caller finds it."""
        super().save_related(request, form, formsets, change)
        model = form.instance if isinstance(form.instance, Model) else form.instance.model
        rows = Deployment.objects.filter(model=model, removed=False, enabled=True).annotate(is_free=_FREE)
        text = figures_to_state(model, rows) + (problems_now(model) if model.enabled else [])
        if not rows:
            text.append("It has no deployment that is enabled, so its calls are refused.")
        for words in text:
            self.message_user(request, f"{model.alias}: {words}", messages.WARNING)

    @override
    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        rows = list(objs)
        return [str(row) for row in rows], {self.opts.verbose_name_plural: len(rows)}, set(), []


class DeploymentInline(StackedInline):
    model = Deployment
    form = DeploymentForm
    fields: ClassVar[tuple[str, ...]] = (*FIELDS[1:], "price_now")
    readonly_fields = ("price_now",)
    extra = 0
    can_delete = False
    show_change_link = True

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).filter(removed=False).select_related("credential", "model")
        return with_prices(rows)

    @admin.display(description="price in force")
    def price_now(self, row: Deployment) -> str:
        return price_text(row)


@admin.register(Model)
class ModelAdmin(SoftDeleteAdmin):
    form = ModelRowForm
    list_display = (
        "alias",
        "model_type",
        "enabled",
        "strategy",
        "deployment_names",
        "owner",
        "window",
        "problem_now",
    )
    fields: ClassVar[tuple[str, ...]] = (*ModelRowForm.Meta.fields, "problem_now")
    readonly_fields = ("problem_now",)
    list_filter = ("model_type", "enabled", "origin")
    search_fields = ("alias",)
    ordering = ("alias",)
    inlines: ClassVar[tuple[Any, ...]] = (DeploymentInline,)
    actions_list = ("experiments",)
    actions_detail = ("experiment",)

    @action(
        description="Experiments",
        url_path="experiments",
        icon="science",
        permissions=["view_calls"],
    )  # type: ignore[untyped-decorator]  # Unfold has no types
    def experiments(self, _: HttpRequest) -> HttpResponse:
        return redirect("admin:metering_experiments")

    @action(
        description="Experiment",
        url_path="experiment",
        icon="science",
        permissions=["view_calls"],
    )  # type: ignore[untyped-decorator]  # as above
    def experiment(self, _: HttpRequest, object_id: int) -> HttpResponse:
        alias = get_object_or_404(Model, pk=object_id).alias
        return redirect(f"{reverse('admin:metering_experiments')}?{urlencode({'alias': alias})}")

    def has_view_calls_permission(self, request: HttpRequest, _: Any = None) -> bool:
        """Called by its name: Unfold would look up a dotted permission in the database, which may not exist yet."""
        return person_may(request, VIEW, "usageevent") and request.user.has_perm("metering.view_usageevent")

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(removed=False).prefetch_related("deployments")

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        keyed = ("alias",) if obj is not None and obj.origin == ManagedBy.FILE else ()
        return (*self.readonly_fields, *keyed)

    @admin.display(description="deployments")
    def deployment_names(self, model: Model) -> str:
        return ", ".join(sorted(row.name for row in model.deployments.all() if not row.removed)) or "none"

    @admin.display(description="context window (tokens)", ordering="context_window", empty_value="-")
    def window(self, model: Model) -> str | None:
        return None if model.context_window is None else f"{model.context_window:,}"

    @admin.display(description="problem")
    def problem_now(self, model: Model) -> str:
        """Return what of the alias and its deployments does not serve, as this process found when it read them."""
        return " ".join(known_problems(model.alias))

    @admin.display(description="follows")
    def owner(self, model: Model) -> str:
        return _owner(model)


@admin.register(Deployment)
class DeploymentAdmin(SoftDeleteAdmin):
    form = DeploymentForm
    list_display = (
        "name",
        "model",
        "provider",
        "upstream_model",
        "enabled",
        "health_now",
        "problem_now",
        "priority",
        "weight",
        "region",
    )
    list_filter = ("provider", "enabled", "origin")
    list_select_related = ("model", "credential")
    search_fields = ("name", "model__alias", "upstream_model")
    autocomplete_fields = ("model",)
    fields: ClassVar[tuple[str, ...]] = (
        *FIELDS,
        "known_now",
        "price_now",
        "refused_now",
        "problem_now",
        "owner",
    )
    readonly_fields = ("known_now", "price_now", "refused_now", "problem_now", "owner")
    inlines: ClassVar[tuple[Any, ...]] = (PriceInline,)
    actions = ("try_members_again",)

    @admin.action(description="Try again the members that are refused under a budget", permissions=["change"])
    def try_members_again(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> None:
        done = sum([clear_refused_members(row.pk, actor=actor_of(request)) for row in queryset])
        self.message_user(request, f"{done} of {queryset.count()} deployments had refused members.")

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).filter(removed=False, model__removed=False)
        found: QuerySet[Any] = rows.select_related("model").annotate(is_free=_FREE)
        return found

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        keyed = ("model", "name") if obj is not None and obj.origin == ManagedBy.FILE else ()
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
        """Return why the row serves nothing: its own problem, then what this process found when it read it."""
        if row.problem or not row.pk:
            return row.problem
        if not row.enabled:
            return "disabled by the configuration file" if _owner(row) == "file" else "disabled"
        return problem_of(row) or " ".join(figures_to_state(row.model, [row]))

    @admin.display(description="known of its model")
    def known_now(self, row: Deployment) -> str:
        """Return the facts in force: the row's own, what its vendor stated, and what ships with the gateway."""
        return facts_text(row)

    @admin.display(description="price in force")
    def price_now(self, row: Deployment) -> str:
        return price_text(row)

    @admin.display(description="refused under a budget")
    def refused_now(self, row: Deployment) -> str:
        """Return the members whose calls cost more than was held; an action of the list accepts them again."""
        return ", ".join(row.refused_members) or "none"

    @admin.display(description="follows")
    def owner(self, row: Deployment) -> str:
        return _owner(row)


SERVICES[Model] = RowServices(save_model, delete_model)
SERVICES[Deployment] = RowServices(save_deployment, delete_deployment, lambda form: {"secrets": form.secrets})


def _owner(row: Model | Deployment) -> str:
    return "file" if row.origin == ManagedBy.FILE and not row.edited else "admin"
