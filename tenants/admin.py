"""The back office of tenants; the pages of keys, people and the audit trail are beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from typing_extensions import override

from tenants.audit import actor_of
from tenants.back_office import (
    audit_admin,  # noqa: F401
    people_admin,  # noqa: F401 - they register their pages
)
from tenants.back_office.admin_base import AuditedModelAdmin, TabularInline
from tenants.back_office.confirmation import confirmation_page, is_confirmed
from tenants.back_office.forms import MembershipForm, TenantForm
from tenants.back_office.key_admin import ApiKeyAdmin
from tenants.back_office.row_services import SERVICES, RowServices
from tenants.models import ApiKey, Membership, Tenant
from tenants.services import (
    delete_membership,
    delete_tenant,
    resume_tenant,
    save_membership,
    save_tenant,
    suspend_tenant,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

__all__ = ["ApiKeyAdmin", "TenantAdmin"]


class MembershipInline(TabularInline):
    model = Membership
    form = MembershipForm
    extra = 0
    autocomplete_fields = ("user",)
    tab = True

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user", "tenant")


class TenantAdmin(AuditedModelAdmin):
    form = TenantForm
    list_display: tuple[str, ...] = ("name", "kind", "status", "timezone", "created_at")
    list_filter = ("status", "kind")
    search_fields = ("name",)
    ordering = ("name",)
    inlines: ClassVar[tuple[Any, ...]] = (MembershipInline,)
    actions = ("suspend", "resume")

    @admin.action(description="Suspend: refuse every key", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> HttpResponse | None:
        rows = list(queryset)
        if not is_confirmed(request):
            return confirmation_page(
                request,
                self,
                rows,
                question=f"Suspend {'this tenant' if len(rows) == 1 else f'these {len(rows):,} tenants'}?",
                consequence="Every call with a key of theirs is refused within 2 seconds until they are resumed.",
                button="Suspend",
                action="suspend",
            )
        for tenant in rows:
            suspend_tenant(tenant.pk, actor=actor_of(request))
            self.message_user(request, f"{tenant} is suspended: its keys are refused.", messages.SUCCESS)
        return None

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        for tenant in queryset:
            resume_tenant(tenant.pk, actor=actor_of(request))
            self.message_user(request, f"{tenant} is active: its keys work again.", messages.SUCCESS)


SERVICES[Tenant] = RowServices(
    save_tenant, delete_tenant, lambda form: {"sets_status": "status" in form.changed_data}
)
SERVICES[Membership] = RowServices(save_membership, delete_membership)
admin.site.register(Tenant, TenantAdmin)  # budgets/admin.py puts limits and budgets on these two pages
admin.site.register(ApiKey, ApiKeyAdmin)
