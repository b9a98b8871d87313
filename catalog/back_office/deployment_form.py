"""The form of a deployment in the back office. Secrets are write-only, and stay with their origin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from typing_extensions import override
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanWidget

from catalog.facts.of_rows import wrong_facts
from catalog.forms import Restorable
from catalog.models import Deployment, Provider, UnknownMembers
from catalog.secrets.sealing import API_KEY
from catalog.services import GivenSecrets, removed_deployment, seal_secrets
from gateway.config.checks.addresses import wrong_address
from gateway.config.normalization import bare, is_sendable
from gateway.config.sections.model_catalog import CHOICES
from providers.egress import EgressRefused, check_url
from providers.registry import PROVIDERS
from providers.target import SECRET_METADATA

MASK = "********"
TIMEOUTS = ("connect", "first_byte", "idle", "total")
CAPABILITIES = {"modalities": list, "tools": bool, "json_schema": bool, "context_window": int}


def _choices(stored: str) -> list[tuple[str, str]]:
    """Return the providers that this version can call, and the stored one even if it cannot be called."""
    return [
        (each.value, str(each.label) if each in PROVIDERS else f"{each.label} (not built yet)")
        for each in Provider
        if each in PROVIDERS or each == stored
    ]


class DeploymentForm(Restorable):
    errors_at = "name"
    api_key = forms.CharField(
        required=False,
        strip=True,
        label="API key",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    forget_key = forms.BooleanField(
        required=False, label="Forget the stored API key", widget=UnfoldBooleanWidget()
    )

    class Meta:
        model = Deployment
        fields = (
            "model",
            "name",
            "provider",
            "upstream_model",
            "endpoint",
            "api_version",
            "region",
            "priority",
            "weight",
            "shadow_percent",
            "enabled",
            "unknown_members",
            "timeouts",
            "metadata",
            "capabilities",
            "facts",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.credential
        hint = f"Stored, ends in …{stored.hint}. " if stored is not None and stored.hint else "Stored. "
        providers = self.fields.get("provider")
        if providers is not None:
            providers.choices = _choices(self.instance.provider)  # type: ignore[attr-defined]  # a field with choices
        self.fields["api_key"].help_text = (
            hint if stored is not None else ""
        ) + "Empty keeps what is stored."
        self.initial["metadata"] = {
            name: MASK if name in SECRET_METADATA else value for name, value in self.instance.metadata.items()
        }

    @override
    def tombstone(self, cleaned: dict[str, Any]) -> Any:
        model = cleaned.get("model")
        model_id = model.pk if model is not None else self.instance.model_id  # None if the alias is new too
        return removed_deployment(model_id, cleaned.get("name", ""))

    def clean_api_key(self) -> str:
        api_key = bare(self.cleaned_data["api_key"])
        if not is_sendable(api_key):
            raise forms.ValidationError("A key is one line of ASCII letters. Copy it again.")
        return api_key

    def clean_endpoint(self) -> str:
        endpoint = bare(str(self.cleaned_data["endpoint"]))
        if endpoint and endpoint != self.instance.endpoint:
            try:
                check_url(endpoint, settings.GATEWAY.server.egress_allow)
            except EgressRefused as error:
                raise forms.ValidationError(str(error)) from None
            if why := wrong_address(endpoint):
                raise forms.ValidationError(f"The endpoint {why}.")
        return endpoint

    def clean_timeouts(self) -> dict[str, float]:
        value = self.cleaned_data["timeouts"] or {}
        if not isinstance(value, dict) or not value.keys() <= set(TIMEOUTS):
            raise forms.ValidationError(
                f'Seconds by name, such as {{"total": 300}}; names: {", ".join(TIMEOUTS)}.'
            )
        if not all(type(seconds) in {int, float} and seconds > 0 for seconds in value.values()):
            raise forms.ValidationError("Each time is a number of seconds above 0.")
        return {name: float(seconds) for name, seconds in value.items()}

    def clean_capabilities(self) -> dict[str, Any]:
        value = self.cleaned_data["capabilities"] or {}
        if not isinstance(value, dict) or not all(
            name in CAPABILITIES and isinstance(item, CAPABILITIES[name]) for name, item in value.items()
        ):
            raise forms.ValidationError(
                'Such as {"modalities": ["text"], "tools": false, "json_schema": false, "context_window": 8192}.'
            )
        return value

    def clean_facts(self) -> dict[str, Any]:
        value = self.cleaned_data["facts"] or {}
        if why := wrong_facts(value):
            raise forms.ValidationError(why)
        return dict(value)

    def clean_unknown_members(self) -> str:
        return self.cleaned_data["unknown_members"] or UnknownMembers.TAKE

    def clean_metadata(self) -> dict[str, Any]:
        value = self.cleaned_data["metadata"] or {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise forms.ValidationError('Texts by name, such as {"gcp_project_id": "p1"}.')
        for name, choices in CHOICES.items():
            if value.get(name, choices[0]) not in choices:
                raise forms.ValidationError(f"{name} is {' or '.join(choices)}.")
        return value

    @override
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not {"provider", "endpoint", "metadata"} <= cleaned.keys():
            return cleaned
        is_given = cleaned.get("api_key") or cleaned.get("forget_key")
        given = GivenSecrets(
            api_key=cleaned.get("api_key", "") if is_given else None,
            metadata={
                name: None if name in SECRET_METADATA and value == MASK else value
                for name, value in cleaned["metadata"].items()
            },
        )
        self.secrets = seal_secrets(
            self.instance,  # as it is stored: Django changes it after this
            given,
            provider=cleaned["provider"],
            endpoint=cleaned["endpoint"],
            key=settings.SECRETS.encryption_key,
        )
        for name, needed in self.secrets.refused.items():
            if name == API_KEY:
                self.add_error("api_key", f"{needed} Or tick 'Forget the stored API key'.")
            else:
                self.add_error("metadata", f"{name}: {needed}")
        cleaned["metadata"] = self.secrets.metadata
        return cleaned
