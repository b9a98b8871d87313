"""Forms of limits and budgets: numbers, nothing or the word `unlimited`; money in USD."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.html import format_html
from typing_extensions import override

from budgets.models import LARGEST_LIMIT_NANOUSD, Budget, RateLimit
from budgets.windows import SCHEDULES, UnknownSchedule, validate_schedule
from providers.egress import EgressRefused, check_url
from tenants.form_fields import LimitField, ModelForm, UsdField, WordsField, usd

RATES = ("requests_per_minute", "tokens_per_minute", "parallel_requests")


class RateLimitForm(ModelForm):
    requests_per_minute = LimitField()
    tokens_per_minute = LimitField()
    parallel_requests = LimitField()

    class Meta:
        model = RateLimit
        fields = ("tenant", "key", *RATES)

    @override
    def clean(self) -> dict[str, Any]:
        return _one_scope(self, super().clean() or self.cleaned_data)


class BudgetForm(ModelForm):
    limit_nanousd = UsdField(label="limit in USD")
    alert_emails = WordsField(
        help_text="Who is notified when it runs low or out; empty: the configuration's."
    )
    alert_webhooks = WordsField(help_text="Webhook addresses that are notified; empty: the configuration's.")

    class Meta:
        model = Budget
        fields = (
            "tenant",
            "key",
            "limit_nanousd",
            "schedule",
            "warning_ratio",
            "on_insufficient",
            "alerts_enabled",
            "alert_emails",
            "alert_webhooks",
            "alert_cooldown_s",
        )
        labels = {"alert_cooldown_s": "seconds between two alerts"}  # noqa: RUF012 - Django reads it, nobody writes it
        help_texts = {"schedule": format_html("{}; such as rolling_30d.", SCHEDULES)}  # noqa: RUF012

    @override
    def clean(self) -> dict[str, Any]:
        return _one_scope(self, super().clean() or self.cleaned_data)

    def clean_limit_nanousd(self) -> int:
        limit = int(self.cleaned_data["limit_nanousd"])
        if not 0 < limit <= LARGEST_LIMIT_NANOUSD:
            raise forms.ValidationError(f"An amount above 0 and up to {usd(LARGEST_LIMIT_NANOUSD):,f} USD.")
        return limit

    def clean_schedule(self) -> str:
        try:
            return validate_schedule(self.cleaned_data["schedule"])
        except UnknownSchedule:
            raise forms.ValidationError(f"Use {SCHEDULES}.") from None

    def clean_alert_emails(self) -> list[str]:
        emails: list[str] = self.cleaned_data["alert_emails"]
        for email in emails:
            try:
                validate_email(email)
            except ValidationError:
                raise forms.ValidationError(f"{email} is not an e-mail address.") from None
        return emails

    def clean_alert_webhooks(self) -> list[str]:
        urls: list[str] = self.cleaned_data["alert_webhooks"]
        for url in set(urls) - set(self.instance.alert_webhooks):
            try:
                check_url(url, settings.GATEWAY.server.egress_allow)
            except EgressRefused as error:
                raise forms.ValidationError(str(error)) from None
        return urls


def _one_scope(form: ModelForm, cleaned: dict[str, Any]) -> dict[str, Any]:
    """Refuse a rule of both or neither; on the page of a tenant or a key the question does not arise."""
    if {"tenant", "key"} <= form.fields.keys() and bool(cleaned.get("tenant")) == bool(cleaned.get("key")):
        raise forms.ValidationError("Choose either a tenant or a key.")
    return cleaned
