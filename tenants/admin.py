"""The back office of tenants and keys. A key's token is shown once, after it was made; its hash never."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.utils.html import format_html
from django.utils.timezone import now
from typing_extensions import override

from tenants import keys, people_admin  # noqa: F401 - the pages of people and groups are there
from tenants.audit import actor_of
from tenants.back_office import BackOffice, ReadOnly, TabularInline
from tenants.forms import ApiKeyForm, TenantForm
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tenants.services import give_secret, resume_tenant, revoke_key, rotate_key, suspend_tenant

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import ModelForm
    from django.http import HttpRequest

ROTATION_OVERLAP = timedelta(hours=24)


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)
    tab = True


class TenantAdmin(BackOffice):
    form = TenantForm
    list_display = ("name", "kind", "status", "timezone", "created_at")
    list_filter = ("status", "kind")
    search_fields = ("name",)
    ordering = ("name",)
    inlines: ClassVar[tuple[Any, ...]] = (MembershipInline,)
    actions = ("suspend", "resume")

    @admin.action(description="Suspend: refuse every key", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        for tenant in queryset:
            suspend_tenant(tenant.pk, actor=actor_of(request))

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Tenant]) -> None:
        for tenant in queryset:
            resume_tenant(tenant.pk, actor=actor_of(request))


class ApiKeyAdmin(BackOffice):
    form = ApiKeyForm
    list_display = ("name", "token_shape", "tenant", "state", "expires_at", "last_used_at", "created_at")
    list_filter = ("priority", ("revoked_at", admin.EmptyFieldListFilter), "expires_at")
    list_select_related = ("tenant",)
    search_fields = ("name", "prefix", "tenant__name")
    autocomplete_fields = ("tenant",)
    readonly_fields = ("token_shape", "state", "last_used_at", "created_at", "created_by")
    inlines: ClassVar[tuple[Any, ...]] = ()
    actions = ("revoke", "rotate")

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "tenant") if obj else ()

    @override
    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = tuple(ApiKeyForm.Meta.fields)
        return (*fields, *self.readonly_fields) if obj else fields

    @override
    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        minted = keys.mint()
        give_secret(obj, minted, settings.SECRETS.pepper)
        obj.created_by = request.user if isinstance(request.user, User) else None
        super().save_model(request, obj, form, change)
        _show_once(request, obj, minted.token)

    @admin.display(description="key")
    def token_shape(self, key: ApiKey) -> str:
        return f"sk-{key.prefix}.…"

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.expires_at is not None and key.expires_at <= now() else "in force"

    @admin.action(description="Revoke: refuse these keys for good", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            revoke_key(key.pk, actor=actor_of(request), now=now())

    @admin.action(description="Rotate: new secret, the old one works 24 hours more", permissions=["change"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        pepper, actor = settings.SECRETS.pepper, actor_of(request)
        for key in queryset:
            if key.revoked_at is not None:
                self.message_user(request, f"{key} is revoked and was not rotated.", messages.WARNING)
                continue
            issued = rotate_key(key.pk, overlap=ROTATION_OVERLAP, pepper=pepper, actor=actor, now=now())
            _show_once(request, issued.key, issued.token)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    list_display = ("at", "actor", "action", "resource", "resource_id", "ip")
    list_filter = ("action", "resource", "at")
    search_fields = ("=actor", "=resource_id")


admin.site.register(Tenant, TenantAdmin)  # budgets/admin.py puts limits and budgets on these two pages
admin.site.register(ApiKey, ApiKeyAdmin)


def _show_once(request: HttpRequest, key: ApiKey, token: str) -> None:
    text = format_html(
        "The key of {}, shown only now: <code>{}</code> Copy it to a safe place.", key.name, token
    )
    messages.success(request, text)
