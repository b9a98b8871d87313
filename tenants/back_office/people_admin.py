"""The back office of people and groups. Only superusers grant permissions, whatever permissions others have."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from typing_extensions import override

from tenants.audit import actor_of
from tenants.back_office.admin_base import AuditedModelAdmin
from tenants.back_office.forms import PasswordForm, UserChangeForm, UserCreationForm
from tenants.back_office.permitted import person_may
from tenants.back_office.row_services import SERVICES, RowServices
from tenants.models import User
from tenants.permissions import DELETE, GRANT
from tenants.services import delete_group, delete_person, save_group, save_person

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model
    from django.forms import ModelForm
    from django.http import HttpRequest, HttpResponse

POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")
FLAGS = ("is_staff", "is_superuser")

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedModelAdmin, DjangoGroupAdmin):
    """A group's permissions are those of its members: the table lets only superusers write one."""

    ordering = ("name",)


@admin.register(User)
class UserAdmin(AuditedModelAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # generic for the checker only
    """Others than superusers manage people who are not staff, and themselves; they grant no permissions."""

    form = UserChangeForm
    add_form = UserCreationForm
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
    def resource_of(self, request: HttpRequest, obj: Any = None) -> str:
        """People of the administration are apart; everyone may change their own password and name."""
        is_plain = obj is None or not (obj.is_staff or obj.is_superuser) or obj.pk == request.user.pk
        return "user" if is_plain else "administrator"

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        own = tuple(super().get_readonly_fields(request, obj))
        return own if person_may(request, GRANT, "user") else (*own, *POWERS)

    @override
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        page = copy(self)  # of this request: the form writes with its author
        page.change_password_form = partial(PasswordForm, author=actor_of(request))
        return DjangoUserAdmin.user_change_password(page, request, id, form_url)

    @override
    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        if not person_may(request, GRANT, "user"):
            before = User.objects.filter(pk=obj.pk).first() or User()
            if any(getattr(obj, flag) != getattr(before, flag) for flag in FLAGS):
                raise PermissionDenied
        super().save_model(request, obj, form, change)

    @override
    def _delete(self, request: HttpRequest, rows: Iterable[Model]) -> None:
        people = list(rows)
        if not all(person_may(request, DELETE, self.resource_of(request, person)) for person in people):
            raise PermissionDenied
        super()._delete(request, people)


SERVICES[User] = RowServices(save_person, delete_person)
SERVICES[Group] = RowServices(save_group, delete_group)
