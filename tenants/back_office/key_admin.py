"""The back office of keys. A token is shown once, when it is created; its hash never. Keys are revoked, not deleted:
a revoked key stays, so that a caller that still uses it can be distinguished from a stranger.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.timezone import now
from typing_extensions import override
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from tenants.audit import actor_of
from tenants.back_office.admin_base import AuditedModelAdmin
from tenants.back_office.confirmation import confirmation_page, is_confirmed
from tenants.back_office.forms import ApiKeyForm
from tenants.back_office.row_services import SERVICES, RowServices
from tenants.models import ApiKey, User
from tenants.services import delete_key, issue_key, revoke_key, rotate_key, save_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet
    from django.forms import ModelForm
    from django.http import HttpRequest, HttpResponse

ROTATION_OVERLAP = timedelta(hours=24)
MOST_NAMED = 20  # named one by one
COLORS = {"in force": "success", "expired": "warning", "revoked": "danger"}
FOR_GOOD = (
    "Every call with it is refused within 2 seconds, running ones are ended, and this cannot be undone."
)


class ApiKeyAdmin(AuditedModelAdmin):
    form = ApiKeyForm
    list_display: tuple[str, ...] = (
        "name",
        "token_shape",
        "tenant",
        "state",
        "expires_at",
        "last_used_at",
        "created_at",
    )
    list_filter = ("priority", ("revoked_at", admin.EmptyFieldListFilter), "expires_at")
    list_select_related = ("tenant",)
    search_fields = ("name", "prefix", "tenant__name")
    search_help_text = "A part of the key's name, its prefix, or its tenant."
    autocomplete_fields = ("tenant",)
    readonly_fields = ("token_shape", "state", "last_used_at", "created_at", "created_by")
    inlines: ClassVar[tuple[Any, ...]] = ()
    actions = ("revoke", "rotate")
    actions_detail = ("rotate_key", "revoke_key")
    change_form_before_template = "tenants/key_state.html"

    @override
    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            name: what for name, what in super().get_actions(request).items() if name != "delete_selected"
        }

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer them for active keys (Unfold's hook)."""
        key = self.get_object(request, unquote(str(object_id)))
        return super().get_actions_detail(request, object_id) if key and key.revoked_at is None else []  # type: ignore[misc]  # Unfold has no types

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "tenant") if obj else ()

    @override
    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = tuple(ApiKeyForm.Meta.fields)
        read_only = ("last_used_at", "created_at", "created_by")
        return ("token_shape", "state", *fields, *read_only) if obj else fields

    @override
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Offer to delete only keys that are already revoked."""
        key = self.get_object(request, unquote(object_id))
        can_go = key is not None and key.revoked_at is not None
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "show_delete": can_go}
        )

    @override
    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        key = self.get_object(request, unquote(object_id))
        if key is not None and key.revoked_at is None and self.has_delete_permission(request, key):
            self.message_user(request, f"{key} is in force: revoke it first.", messages.WARNING)
            return redirect("admin:tenants_apikey_change", key.pk)
        return super().delete_view(request, object_id, extra_context)

    @override
    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm[Any], change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        obj.created_by = request.user if isinstance(request.user, User) else None
        issued = issue_key(obj, pepper=settings.SECRETS.pepper, actor=actor_of(request))
        _show_once(request, issued.key, issued.token)

    @admin.display(description="key")
    def token_shape(self, key: ApiKey) -> str:
        return f"sk-{key.prefix}.…"

    @display(description="state", label=COLORS)  # type: ignore[untyped-decorator]  # Unfold has no types
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.is_expired else "in force"

    @admin.action(description="Revoke: refuse these keys for good", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        rows = list(queryset)
        if not is_confirmed(request):
            question = (
                f"Revoke {'this API key' if len(rows) == 1 else f'these {len(rows):,} API keys'} for good?"
            )
            return confirmation_page(
                request, self, rows, question=question, consequence=FOR_GOOD, button="Revoke", action="revoke"
            )
        self._revoke(request, rows)
        return None

    @action(
        description="Revoke",
        url_path="revoke",
        icon="block",
        permissions=["change"],
        variant=ActionVariant.DANGER,
    )  # type: ignore[untyped-decorator]  # Unfold has no types
    def revoke_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.get_object(request, unquote(object_id))
        if key is not None and key.revoked_at is None and not is_confirmed(request):
            question = f"Revoke {key} for good?"
            return confirmation_page(
                request, self, [key], question=question, consequence=FOR_GOOD, button="Revoke", original=key
            )
        self._revoke(request, [] if key is None else [key])
        return redirect("admin:tenants_apikey_change", object_id)

    @admin.action(description="Rotate: new secret, the old one works 24 hours more", permissions=["change"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self._rotate(request, queryset)

    @action(description="Rotate", url_path="rotate", icon="autorenew", permissions=["change"])  # type: ignore[untyped-decorator]  # as above
    def rotate_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        key = self.get_object(request, unquote(object_id))
        if key is not None and key.revoked_at is None and not is_confirmed(request):
            words = "It gets a new secret, shown once. The old one works for 24 hours more."
            question = f"Rotate {key}?"
            return confirmation_page(
                request, self, [key], question=question, consequence=words, button="Rotate", original=key
            )
        self._rotate(request, [] if key is None else [key])
        return redirect("admin:tenants_apikey_change", object_id)

    def _revoke(self, request: HttpRequest, rows: Iterable[ApiKey]) -> None:
        done: list[str] = []
        before: list[str] = []
        for key in rows:
            if key.revoked_at is None:
                revoke_key(key.pk, actor=actor_of(request), now=now())
            (done if key.revoked_at is None else before).append(str(key))
        _message(request, done, "is revoked: its calls are refused", "are revoked: their calls are refused")
        _message(request, before, "was revoked before", "were revoked before", messages.WARNING)

    def _rotate(self, request: HttpRequest, rows: Iterable[ApiKey]) -> None:
        pepper, actor = settings.SECRETS.pepper, actor_of(request)
        for key in rows:
            if key.revoked_at is not None:
                self.message_user(request, f"{key} is revoked and was not rotated.", messages.WARNING)
                continue
            issued = rotate_key(key.pk, overlap=ROTATION_OVERLAP, pepper=pepper, actor=actor, now=now())
            _show_once(request, issued.key, issued.token)


SERVICES[ApiKey] = RowServices(save_key, delete_key)


def _message(
    request: HttpRequest, names: list[str], one: str, many: str, level: int = messages.SUCCESS
) -> None:
    """Show what was done with each, or with how many."""
    several = [f"{name} {one}." for name in names]
    for words in several if len(names) <= MOST_NAMED else [f"{len(names):,} API keys {many}."]:
        messages.add_message(request, level, words)


def _show_once(request: HttpRequest, key: ApiKey, token: str) -> None:
    text = format_html(
        "The key of {}, shown only now: <code>{}</code> Copy it to a safe place.", key.name, token
    )
    messages.success(request, text)
