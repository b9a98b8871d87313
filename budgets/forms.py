"""Forms of limits and budgets: a number, empty or `unlimited`; money in USD; a schedule of two parts."""

from __future__ import annotations

from typing import Any

from django import forms
from typing_extensions import override
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from budgets.admission.budget_windows import LONGEST_DAYS
from budgets.models import Budget, RateLimit
from budgets.schedule_labels import EVERY, PERIODS, ROLLING, parts_of, schedule_of
from gateway.values.limits import RATES
from gateway.values.money import LARGEST_NANOUSD, in_usd
from tenants.back_office.form_fields import LimitField, ModelForm, UsdField

RULES = ("warning_ratio", "on_insufficient")


class RateLimitForm(ModelForm):
    errors_at = "requests_per_minute"
    requests_per_minute = LimitField()
    tokens_per_minute = LimitField()
    parallel_requests = LimitField()

    class Meta:
        model = RateLimit
        fields = ("tenant", "key", *RATES)


class BudgetForm(ModelForm):
    errors_at = "schedule"

    limit_nanousd = UsdField(label="Limit in USD")
    schedule = forms.ChoiceField(
        label="Begins again", choices=list(PERIODS.items()), widget=UnfoldAdminSelectWidget()
    )
    days = forms.IntegerField(
        label="Number of days",
        required=False,
        min_value=1,
        max_value=LONGEST_DAYS,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=f"For the last two schedules only: from 1 to {LONGEST_DAYS}.",
    )

    class Meta:
        model = Budget
        fields = ("tenant", "key", "limit_nanousd", "schedule", *RULES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["schedule"], self.initial["days"] = parts_of(self.instance.schedule)

    @override
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        period, days = cleaned.get("schedule"), cleaned.get("days")
        if period in (EVERY, ROLLING):
            if days is None and "days" not in self.errors:
                self.add_error("days", f"State the number of days, from 1 to {LONGEST_DAYS}.")
            elif days is not None:
                cleaned["schedule"] = schedule_of(period, days)
        elif period is not None and days is not None:
            self.add_error("days", f"Only for {PERIODS[EVERY]} and {PERIODS[ROLLING]}: leave it empty.")
        return cleaned

    def clean_limit_nanousd(self) -> int:
        limit = int(self.cleaned_data["limit_nanousd"])
        if not 0 < limit <= LARGEST_NANOUSD:
            raise forms.ValidationError(f"An amount above 0 and up to {in_usd(LARGEST_NANOUSD):,f} USD.")
        return limit
