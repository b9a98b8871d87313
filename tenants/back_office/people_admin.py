"""The back office of people and groups. Only superusers grant permissions, whatever permissions others have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from typing_extensions import override
from unfold.forms import AdminPasswordChangeForm

from tenants.back_office.admin_base import AuditedModelAdmin
from tenants.back_office.forms import UserChangeForm, UserCreationForm
from tenants.models import User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model
    from django.forms import ModelForm
    from django.http import HttpRequest

POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")
FLAGS = ("is_staff", "is_superuser")

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedModelAdmin, DjangoGroupAdmin):
    """A group's permissions are those of its members, so only superusers may change one."""

    ordering = ("name",)

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request) and super().has_add_permission(request)

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request) and super().has_change_permission(request, obj)

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request) and super().has_delete_permission(request, obj)


@admin.register(User)
class UserAdmin(AuditedModelAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # generic for the checker only
    """Others than superusers manage people who are not staff, and themselves; they grant no permissions."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "created_at")
    filter_horizontal = ("groups", "user_permissions")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("May", {"fields": ("is_active", *FLAGS, "groups", "user_permissions")}),
        ("When", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = (
        (
            None,
            {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")},
        ),
    )

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        own = tuple(super().get_readonly_fields(request, obj))
        return own if _is_superuser(request) else (*own, *POWERS)

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Called with the person on the password page too."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Called for each row by the list's action too."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    @override
    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        if not _is_superuser(request):
            before = User.objects.filter(pk=obj.pk).first() or User()
            if any(getattr(obj, flag) != getattr(before, flag) for flag in FLAGS):
                raise PermissionDenied
        super().save_model(request, obj, form, change)

    @override
    def _delete(self, request: HttpRequest, rows: Iterable[Model]) -> None:
        people = list(rows)
        if not all(_may_touch(request, person) for person in people):
            raise PermissionDenied
        super()._delete(request, people)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)


def _may_touch(request: HttpRequest, person: Any) -> bool:
    is_plain = person is None or not (person.is_staff or person.is_superuser)
    return is_plain or _is_superuser(request) or person.pk == request.user.pk
