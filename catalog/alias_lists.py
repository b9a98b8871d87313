"""Lists of models that tenants and keys may use, as people type them: every name must be a model that there is."""

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
    """Return a sentence for each name that is no model, with the one that was meant."""
    said = []
    for name in named:
        if name not in known:
            meant = near(name, known)
            said.append(f"There is no model {name}" + (f': did you mean "{meant}"?' if meant else "."))
    return said


class _KnownAliases(forms.ModelForm):  # type: ignore[type-arg]  # Django's generics exist for the checker only
    """Refuses what is not there; a name that was there when it was written stays until somebody takes it out."""

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
        """A key never may what its tenant may not, so naming that would only mislead."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        tenant: Tenant | None = cleaned.get("tenant") or (self.instance.tenant if self.instance.pk else None)
        if tenant is None or tenant.models is None:
            return cleaned
        kept, allowed = set(self.instance.models or ()), set(tenant.models)
        beyond = [name for name in cleaned.get("models") or () if name not in allowed | kept]
        if beyond:
            self.add_error("models", f"The tenant {tenant} may not use {', '.join(beyond)}.")
        return cleaned
