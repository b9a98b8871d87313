"""Forms of the catalog's back office. Secrets go in and never come out; a row that was removed can be added again."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import msgspec
from django import forms
from django.conf import settings
from django.utils.timezone import now
from typing_extensions import override
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldBooleanWidget

from catalog.encryption import SECRET_METADATA, seal_metadata
from catalog.experiments import BadExperiment, experiment_of
from catalog.models import RATES, Deployment, Model, Price, PriceSource, UnknownMembers
from catalog.price_terms import Terms, is_image_rate
from catalog.services import end_price, set_deployment_key
from gateway.config.problems import nearest
from providers.egress import EgressRefused, check_url
from tenants.form_fields import ModelForm, UsdField, WordsField

MASK = "********"
TIMEOUTS = ("connect", "first_byte", "idle", "total")
PER_TOKENS = 10**9  # nano-USD per million tokens: so many are 1 USD per million tokens
PER_UNIT = 10**15  # nano-USD per million units: so many are 1 USD each
FALLBACK_REASONS = ("unavailable", "context_window", "content_filter")
STICKY = ("user", "prompt_cache_key")
CAPABILITIES = {"modalities": list, "tools": bool, "json_schema": bool, "context_window": int}
EACH = ("image", "second", "character", "request")


class Revivable(ModelForm):
    """Adding a row under the name of one that was removed brings that one back, with its price history."""

    @abstractmethod
    def tombstone(self, cleaned: dict[str, Any]) -> Any:
        """Return the removed row of this name, or None."""

    @override
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        buried = self.tombstone(cleaned) if self.instance._state.adding else None  # noqa: SLF001 - Django's way to ask
        if buried is not None:
            buried.removed, buried.edited = False, True
            self.instance = buried
        return cleaned


class ModelRowForm(Revivable):
    modalities = WordsField(help_text="Such as text, image, audio.")

    class Meta:
        model = Model
        fields = (
            "alias",
            "model_type",
            "strategy",
            "enabled",
            "context_window",
            "max_output_tokens",
            "modalities",
            "supports_tools",
            "fallbacks",
            "metadata",
            "owned_by",
        )

    @override
    def tombstone(self, cleaned: dict[str, Any]) -> Any:
        return Model.objects.filter(alias=cleaned.get("alias"), removed=True).first()

    def clean_fallbacks(self) -> dict[str, list[str]]:
        value = self.cleaned_data["fallbacks"] or {}
        if not isinstance(value, dict) or not value.keys() <= set(FALLBACK_REASONS):
            raise forms.ValidationError(
                f'Lists of aliases by reason, such as {{"unavailable": ["gpt-4o"]}}; reasons: '
                f"{', '.join(FALLBACK_REASONS)}."
            )
        if not all(
            isinstance(names, list) and all(isinstance(n, str) for n in names) for names in value.values()
        ):
            raise forms.ValidationError("Each reason has a list of aliases.")
        self._check_aliases({alias for names in value.values() for alias in names})
        return value

    def _check_aliases(self, named: set[str]) -> None:
        """Refuse aliases that could not be fallen back to. Raises ValidationError."""
        own = self.cleaned_data.get("alias") or self.instance.alias
        own_type = self.cleaned_data.get("model_type")
        types = dict(Model.objects.filter(removed=False).values_list("alias", "model_type")) if named else {}
        wrong = []
        for alias in sorted(named):
            if alias not in types:
                near = nearest(alias, types)
                wrong.append(f"There is no model {alias}" + (f": {near}" if near else "."))
            elif alias == own:
                wrong.append(f"{alias} would fall back to itself.")
            elif own_type and types[alias] != own_type:
                wrong.append(f"{alias} is of type {types[alias]}.")
        if wrong:
            raise forms.ValidationError(wrong)

    def clean_metadata(self) -> dict[str, Any]:
        value = self.cleaned_data["metadata"] or {}
        if not isinstance(value, dict) or value.get("sticky", "user") not in STICKY:
            raise forms.ValidationError('Such as {"sticky": "user"}; sticky is user or prompt_cache_key.')
        try:
            experiment_of(value.get("experiment"))
        except BadExperiment as error:
            raise forms.ValidationError(str(error)) from error
        return value

    def clean_alias(self) -> str:
        alias = str(self.cleaned_data["alias"]).strip()
        if len(alias.split()) != 1:
            raise forms.ValidationError("One word, as clients send it.")
        return alias


class DeploymentForm(Revivable):
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
            "refused_members",
            "timeouts",
            "metadata",
            "capabilities",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.credential
        hint = f"Stored, ends in …{stored.hint}. " if stored is not None and stored.hint else "Stored. "
        self.fields["api_key"].help_text = (
            hint if stored is not None else ""
        ) + "Empty keeps what is stored."
        self.initial["metadata"] = {
            name: MASK if name in SECRET_METADATA else value for name, value in self.instance.metadata.items()
        }
        self._stored_metadata = dict(self.instance.metadata)

    @override
    def tombstone(self, cleaned: dict[str, Any]) -> Any:
        model = cleaned.get("model")
        model_id = (
            model.pk if model is not None else self.instance.model_id
        )  # None for an alias that is new too
        return Deployment.objects.filter(model_id=model_id, name=cleaned.get("name"), removed=True).first()

    def clean_endpoint(self) -> str:
        endpoint = str(self.cleaned_data["endpoint"]).strip()
        if endpoint and endpoint != self.instance.endpoint:
            try:
                check_url(endpoint, settings.GATEWAY.server.egress_allow)
            except EgressRefused as error:
                raise forms.ValidationError(str(error)) from None
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

    def clean_unknown_members(self) -> str:
        return self.cleaned_data["unknown_members"] or UnknownMembers.TAKE

    def clean_refused_members(self) -> list[str]:
        value = self.cleaned_data["refused_members"] or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise forms.ValidationError('Names, such as ["vendor_option"].')
        return value

    def clean_metadata(self) -> dict[str, Any]:
        value = self.cleaned_data["metadata"] or {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise forms.ValidationError('Texts by name, such as {"gcp_project_id": "p1"}.')
        kept = {
            name: self._stored_metadata.get(name, "") if item == MASK else item
            for name, item in value.items()
        }
        return seal_metadata(settings.SECRETS.encryption_key, kept)

    @override
    def save(self, commit: bool = True) -> Any:
        row: Deployment = super().save(commit=False)
        row.problem = ""
        if self.cleaned_data["api_key"] or self.cleaned_data["forget_key"]:
            key = settings.SECRETS.encryption_key
            set_deployment_key(row, self.cleaned_data["api_key"], key=key, alias=row.model.alias)
        if commit:
            row.save()
            self._save_m2m()  # type: ignore[attr-defined]  # Django's own, missing in the stubs
        return row


def _rate_field(rate: str) -> UsdField:
    is_each = rate in EACH
    label = f"{rate.replace('_', ' ')} (USD {'each' if is_each else 'per 1M tokens'})"
    return UsdField(label=label, required=False, units_per_usd=PER_UNIT if is_each else PER_TOKENS)


class PriceForm(ModelForm):
    """A new price holds from now on; the row in force before it is closed, never changed."""

    input = _rate_field("input")
    output = _rate_field("output")
    cached_input = _rate_field("cached_input")
    cache_write = _rate_field("cache_write")
    cache_write_1h = _rate_field("cache_write_1h")
    reasoning = _rate_field("reasoning")
    audio_input = _rate_field("audio_input")
    audio_output = _rate_field("audio_output")
    image = _rate_field("image")
    second = _rate_field("second")
    character = _rate_field("character")
    request = _rate_field("request")

    class Meta:
        model = Price
        fields = ("deployment", "free", *RATES, "images", "terms")

    @override
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned.get("free") and not self._states_a_price(cleaned):
            raise forms.ValidationError("State a price above 0, or say that it is free.")
        return cleaned

    def clean_images(self) -> list[Any]:
        images = self.cleaned_data["images"] or []
        if not isinstance(images, list) or not all(is_image_rate(image) for image in images):
            raise forms.ValidationError(
                'A list such as [[40000000000000, "1024x1024", "high"]]: rate, size, quality.'
            )
        return images

    def clean_terms(self) -> dict[str, Any]:
        value = self.cleaned_data["terms"] or {}
        try:
            msgspec.convert(value, Terms)
        except msgspec.ValidationError as error:
            raise forms.ValidationError(f'Such as {{"tiers": [["flex", 500000]]}}: {error}.') from error
        return dict(value)

    @staticmethod
    def _states_a_price(cleaned: dict[str, Any]) -> bool:
        return any(cleaned.get(rate) for rate in RATES) or bool(cleaned.get("images"))

    @override
    def save(self, commit: bool = True) -> Any:
        row: Price = super().save(commit=False)
        row.source = PriceSource.ADMIN
        row.active_from = end_price(row.deployment, now=now())
        if commit:
            row.save()
        return row
