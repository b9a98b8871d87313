"""Forms of the back office for people, tenants and keys."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.forms import UserChangeForm as DjangoUserChangeForm
from typing_extensions import override
from unfold.forms import AdminPasswordChangeForm
from unfold.forms import UserChangeForm as UnfoldUserChangeForm
from unfold.forms import UserCreationForm as UnfoldUserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from tenants.audit import Actor
from tenants.back_office.form_fields import ModelForm, WordsField
from tenants.caller import SCOPES, SERVED
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.services import set_password


class TenantForm(ModelForm):
    models = WordsField(
        empty=None, help_text="Aliases, with commas between them; empty: every enabled model."
    )

    class Meta:
        model = Tenant
        fields = ("name", "kind", "status", "timezone", "models", "stores_answers")

    def clean_timezone(self) -> str:
        name = str(self.cleaned_data["timezone"])
        try:
            return ZoneInfo(name).key if name else ""
        except (ValueError, OSError, LookupError):
            raise forms.ValidationError("An IANA name such as UTC or Europe/Berlin.") from None


class MembershipForm(ModelForm):
    errors_at = "user"

    class Meta:
        model = Membership
        fields = ("user", "role")


class ApiKeyForm(ModelForm):
    scopes = forms.MultipleChoiceField(
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="What the key may call; none: everything.",
    )
    models = WordsField(
        empty=None, help_text="Aliases, with commas between them; empty: those of its tenant."
    )
    allowed_ips = WordsField(
        label="Allowed IP addresses",
        help_text="Addresses or networks, with commas between them; empty: anywhere.",
    )

    class Meta:
        model = ApiKey
        fields = ("tenant", "name", "scopes", "models", "allowed_ips", "priority", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = [scope for scope in SCOPES if scope in SERVED or scope in (self.instance.scopes or ())]
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]  # of a field declared above
            (scope, scope.capitalize() if scope in SERVED else f"{scope.capitalize()} (not served yet)")
            for scope in kept
        ]

    def clean_allowed_ips(self) -> list[str]:
        try:
            return [str(ip_network(text, strict=False)) for text in self.cleaned_data["allowed_ips"]]
        except ValueError as error:
            raise forms.ValidationError(f"{error}. Write it like 10.0.0.0/8 or 192.0.2.7.") from None


class UserCreationForm(UnfoldUserCreationForm):  # type: ignore[misc]  # unfold has no types
    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("email", "name")
        field_classes: ClassVar[dict[str, Any]] = {}


class UserChangeForm(UnfoldUserChangeForm):  # type: ignore[misc]  # unfold has no types
    class Meta(DjangoUserChangeForm.Meta):
        model = User
        fields = "__all__"
        field_classes: ClassVar[dict[str, Any]] = {}

    @override
    def clean(self) -> Any:
        cleaned = super().clean()
        if "email" in self.cleaned_data:
            self.cleaned_data["email"] = self.cleaned_data["email"].strip().lower()
        return cleaned


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[misc]  # unfold has no types
    """A new password of another person, or none: a local sign-in as them is then impossible."""

    def __init__(self, *args: Any, author: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._author = author

    @override
    def save(self, commit: bool = True) -> User:
        person: User = self.user
        password = self.cleaned_data["password1"] if self.cleaned_data["set_usable_password"] else None
        set_password(person, password, actor=self._author)
        return person
