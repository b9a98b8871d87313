"""Forms of aliases and prices in the back office. A row that was removed can be added again."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import msgspec
from django import forms
from typing_extensions import override

from catalog.alias_lists import wrong_names
from catalog.models import EACH, RATES, Model, ModelType, Price
from catalog.pricing.price_terms import Terms, is_image_rate
from catalog.routing.experiments import BadExperiment, experiment_of
from catalog.services import is_stated, removed_model
from tenants.back_office.form_fields import ModelForm, UsdField, WordsField

PER_TOKENS = 10**9  # nano-USD per million tokens: this many are 1 USD per million tokens
PER_UNIT = 10**15  # nano-USD per million units: this many are 1 USD per unit
FALLBACK_REASONS = ("unavailable", "context_window", "content_filter")
STICKY = ("user", "prompt_cache_key")


class Restorable(ModelForm):
    """Adding a row under the name of a removed one restores that one, with its price history."""

    @abstractmethod
    def tombstone(self, cleaned: dict[str, Any]) -> Any:
        """Return the removed row of this name, or None."""

    @override
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        removed = self.tombstone(cleaned) if self.instance._state.adding else None  # noqa: SLF001 - Django's way to ask
        if removed is not None:
            self.instance = removed
        return cleaned


class ModelRowForm(Restorable):
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
        return removed_model(cleaned.get("alias", ""))

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
        """Refuse aliases that cannot be a fallback. Raises ValidationError."""
        own = self.cleaned_data.get("alias") or self.instance.alias
        own_type = self.cleaned_data.get("model_type")
        types = dict(Model.objects.filter(removed=False).values_list("alias", "model_type")) if named else {}
        wrong = []
        for alias in sorted(named):
            if alias not in types:
                wrong += wrong_names([alias], types)
            elif alias == own:
                wrong.append(f"{alias} would fall back to itself.")
            elif own_type and types[alias] != own_type:
                wrong.append(f"{alias} is of type {ModelType(types[alias]).label}.")
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


def _rate_field(rate: str) -> UsdField:
    is_each = rate in EACH
    label = f"{rate.replace('_', ' ').capitalize()} (USD {'each' if is_each else 'per 1M tokens'})"
    is_main = rate in ("input", "output")
    words = f"The file's price_{rate} is per 1K tokens, unless price_per says 1m." if is_main else ""
    return UsdField(
        label=label, help_text=words, required=False, units_per_usd=PER_UNIT if is_each else PER_TOKENS
    )


class PriceForm(ModelForm):
    """A new price is in force from now on; the row in force before it is closed, never changed."""

    errors_at = "input"

    input = _rate_field("input")
    output = _rate_field("output")
    cached_input = _rate_field("cached_input")
    cache_write = _rate_field("cache_write")
    cache_write_1h = _rate_field("cache_write_1h")
    reasoning = _rate_field("reasoning")
    audio_input = _rate_field("audio_input")
    audio_output = _rate_field("audio_output")
    image_input = _rate_field("image_input")
    image_output = _rate_field("image_output")
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
        if not self.errors and not is_stated(cleaned):
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
