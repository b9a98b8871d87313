"""Lists of models that tenants and keys may use, as people type them: every name must be an existing model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from typing_extensions import override

from catalog.models import Model
from catalog.routing.similar_names import near
from tenants.back_office.forms import ApiKeyForm, TenantForm

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tenants.models import Tenant


def wrong_names(named: Iterable[str], known: Collection[str]) -> list[str]:
    """Return a sentence for each name that is no model, with the one that was probably meant."""
    sentences = []
    for name in named:
        if name not in known:
            meant = near(name, known)
            sentences.append(f"There is no model {name}" + (f': did you mean "{meant}"?' if meant else "."))
    return sentences


class _KnownAliases(forms.ModelForm):  # type: ignore[type-arg]  # Django's generics exist for the checker only
    """Refuses unknown names; a name that existed when it was written stays until an administrator removes it."""

    def clean_models(self) -> list[str] | None:
        named: list[str] | None = self.cleaned_data["models"]
        kept = set(self.instance.models or ())
        fresh = [name for name in named or () if name not in kept]
        if fresh:
            known = set(Model.objects.filter(removed=False).values_list("alias", flat=True))
            if wrong := wrong_names(fresh, known):
                raise forms.ValidationError(wrong)
        return named


class TenantModelsForm(_KnownAliases, TenantForm):
    class Meta(TenantForm.Meta):
        pass


class ApiKeyModelsForm(_KnownAliases, ApiKeyForm):
    class Meta(ApiKeyForm.Meta):
        pass

    @override
    def clean(self) -> dict[str, Any]:
        """Refuse models that the tenant may not use: its keys cannot use them either."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        tenant: Tenant | None = cleaned.get("tenant") or (self.instance.tenant if self.instance.pk else None)
        if tenant is None or tenant.models is None:
            return cleaned
        kept, allowed = set(self.instance.models or ()), set(tenant.models)
        beyond = [name for name in cleaned.get("models") or () if name not in allowed | kept]
        if beyond:
            self.add_error("models", f"The tenant {tenant} may not use {', '.join(beyond)}.")
        return cleaned
