"""Rate limits and budgets of tenants and keys, and the money spent in each window.

Money is integer nano-USD. A rate of null inherits, -1 is unlimited.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from typing_extensions import override

from budgets.schedule_labels import period_of
from gateway.values.limits import UNLIMITED
from gateway.values.money import LARGEST_NANOUSD, NANO
from tenants.models import ApiKey, Tenant

EITHER = "Choose either a tenant or an API key."
ONE_SCOPE = Q(tenant__isnull=True, key__isnull=False) | Q(tenant__isnull=False, key__isnull=True)


class ManagedBy(models.TextChoices):
    FILE = "file"
    ADMIN = "admin"


class Scoped(models.Model):
    """Belongs to exactly one tenant or one key; follows the file until `edited`."""

    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="%(class)ss"
    )
    key = models.ForeignKey(
        ApiKey,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="%(class)ss",
        verbose_name="API key",
    )
    origin = models.CharField(max_length=8, choices=ManagedBy, default=ManagedBy.ADMIN, editable=False)
    edited = models.BooleanField(default=False, editable=False)

    class Meta:
        abstract = True

    @property
    def scope(self) -> str:
        """The name under which the rule is counted: "tenant:3" or "key:7"."""
        return f"tenant:{self.tenant_id}" if self.tenant_id is not None else f"key:{self.key_id}"

    @property
    def owner(self) -> Tenant | ApiKey | None:
        """The tenant or key of the rule. One query, unless its list selected it too."""
        return self.tenant if self.tenant_id is not None else self.key


def _rate(field: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{field: None}) | Q(**{field: UNLIMITED}) | Q(**{f"{field}__gt": 0}),
        name=f"rate_limit_{field}_valid",
        violation_error_message=f"{field.replace('_', ' ').capitalize()}: a positive number, nothing or unlimited.",
    )


class RateLimit(Scoped):
    """Limits of a tenant or a key, in place of the default limits."""

    requests_per_minute = models.BigIntegerField(null=True, blank=True)
    tokens_per_minute = models.BigIntegerField(null=True, blank=True)
    parallel_requests = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=ONE_SCOPE, name="rate_limit_one_scope", violation_error_message=EITHER
            ),
            models.CheckConstraint(condition=Q(origin__in=ManagedBy.values), name="rate_limit_origin_known"),
            models.UniqueConstraint(
                fields=("tenant",),
                name="rate_limit_once_per_tenant",
                violation_error_message="This tenant has rate limits already: change those.",
            ),
            models.UniqueConstraint(
                fields=("key",),
                name="rate_limit_once_per_key",
                violation_error_message="This API key has rate limits already: change those.",
            ),
            _rate("requests_per_minute"),
            _rate("tokens_per_minute"),
            _rate("parallel_requests"),
        )

    @override
    def __str__(self) -> str:
        return f"Rate limits of {self.owner}"


PERIODS = ("daily", "weekly", "calendar_month", "calendar_quarter", "calendar_year")


class OnInsufficient(models.TextChoices):
    REFUSE = "refuse", "Refuse the call"
    CLAMP = "clamp", "Shorten the answer to what the money buys"


class Budget(Scoped):
    """A limit of money in each window of `schedule` (budgets/admission/budget_windows.py)."""

    limit_nanousd = models.BigIntegerField("limit in USD")
    schedule = models.CharField(max_length=32, default="calendar_month")
    warning_ratio = models.FloatField(
        "warn at", default=0.8, help_text="The share of the limit that is spent: 0.8 is 80 percent."
    )
    on_insufficient = models.CharField(
        "when a call does not fit", max_length=8, choices=OnInsufficient, default=OnInsufficient.REFUSE
    )
    alerts_enabled = models.BooleanField(default=True)
    alert_emails = models.JSONField(default=list, blank=True)
    alert_webhooks = models.JSONField(default=list, blank=True)
    alert_cooldown_s = models.BigIntegerField(default=3600)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=ONE_SCOPE, name="budget_one_scope", violation_error_message=EITHER
            ),
            models.CheckConstraint(condition=Q(origin__in=ManagedBy.values), name="budget_origin_known"),
            models.CheckConstraint(
                condition=Q(limit_nanousd__gt=0, limit_nanousd__lte=LARGEST_NANOUSD),
                name="budget_limit_range",
                violation_error_message=f"The limit is above 0 and at most {LARGEST_NANOUSD // NANO:,} USD.",
            ),
            models.CheckConstraint(
                condition=Q(schedule__in=PERIODS)
                | Q(schedule__startswith="rolling_", schedule__endswith="d")
                | Q(schedule__startswith="every_", schedule__endswith="d"),
                name="budget_schedule_known",
                violation_error_message="This schedule is not known.",
            ),
            models.CheckConstraint(
                condition=Q(warning_ratio__gt=0, warning_ratio__lte=1),
                name="budget_warning_ratio_range",
                violation_error_message="Warn at: a number above 0 and at most 1; 0.8 is 80 percent.",
            ),
            models.CheckConstraint(
                condition=Q(on_insufficient__in=OnInsufficient.values), name="budget_on_insufficient_known"
            ),
            models.CheckConstraint(
                condition=Q(alert_cooldown_s__gte=0),
                name="budget_cooldown_not_negative",
                violation_error_message="The time between two alerts is 0 or more.",
            ),
            models.UniqueConstraint(
                fields=("tenant", "schedule"),
                name="budget_schedule_once_per_tenant",
                violation_error_message="This tenant has a budget with this schedule already: change that one.",
            ),
            models.UniqueConstraint(
                fields=("key", "schedule"),
                name="budget_schedule_once_per_key",
                violation_error_message="This API key has a budget with this schedule already: change that one.",
            ),
        )

    @override
    def __str__(self) -> str:
        return f"{period_of(self.schedule)} of {self.owner}"


class SpendWindow(models.Model):
    """The ledger's total of one window of one scope. Written by metering only.

    `spent_nanousd` counts what calls cost and what is unsettled of them (docs/decisions/0014).
    """

    scope = models.CharField(max_length=40)
    schedule = models.CharField(max_length=32)
    timezone = models.CharField("time zone", max_length=64)
    start = models.DateTimeField()
    end = models.DateTimeField()
    spent_nanousd = models.BigIntegerField("spent in USD", default=0)
    unsettled_nanousd = models.BigIntegerField(
        "unsettled in USD", default=0, db_default=0, help_text="Part of it that is not known to be spent."
    )
    version = models.BigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("scope", "schedule", "timezone", "start"), name="spend_window_once"
            ),
            models.CheckConstraint(condition=Q(spent_nanousd__gte=0), name="spend_window_spent_not_negative"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="spend_window_forward"),
        )

    @override
    def __str__(self) -> str:
        owner = getattr(self, "owner", None) or self.scope  # its admin pages set `owner`
        return f"{period_of(self.schedule)} of {owner} from {self.start:%Y-%m-%d}"
