"""WHAT IT COST: the ledger, one row per call that reached a provider. Written by the shipper only."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from typing_extensions import override


class Status(models.TextChoices):
    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    INCOMPLETE = "incomplete"


class UsageEvent(models.Model):
    """One call. `id` is the X-Request-ID; names and ids are copies, so that the row outlives the rows it names.
    Only metering/settlement/late_settlement.py changes a row, and only if its outcome was not known.

    `input_tokens` and `output_tokens` are the provider's totals; `usage` holds the disjoint vector, `receipt`
    the line items, `decision` the attempts and why.
    """

    id = models.CharField("request ID", max_length=64, primary_key=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    tenant_id = models.BigIntegerField("tenant ID")
    tenant = models.CharField(max_length=200)
    key_id = models.BigIntegerField("API key ID")
    api_key_prefix = models.CharField("API key prefix", max_length=32)
    endpoint = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    provider = models.CharField(max_length=32)
    deployment = models.CharField(max_length=200)
    upstream_model = models.CharField(max_length=300)
    status = models.CharField(max_length=16, choices=Status)
    http_status = models.IntegerField("HTTP status")
    error_code = models.CharField(max_length=64, blank=True)
    stream = models.BooleanField(default=False)
    attempts = models.IntegerField(default=1)
    input_tokens = models.BigIntegerField(default=0)
    cached_input_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    images = models.BigIntegerField(default=0)
    audio_seconds = models.FloatField("audio (seconds)", default=0.0)
    characters = models.BigIntegerField(default=0)
    estimated = models.BooleanField(default=False)
    cost_nanousd = models.BigIntegerField("cost (nano-USD)", default=0)
    unsettled_nanousd = models.BigIntegerField(
        "unsettled (nano-USD)",
        default=0,
        db_default=0,
        help_text="May have been spent beyond the cost: not known yet.",
    )
    price_id = models.BigIntegerField("price ID", default=0)
    latency_ms = models.FloatField("latency (ms)", default=0.0)
    ttft_ms = models.FloatField("TTFT, time to first token (ms)", null=True, blank=True)
    overhead_ms = models.FloatField("overhead (ms)", default=0.0)
    trace_id = models.CharField("trace ID", max_length=64, blank=True)
    idempotency_key = models.CharField(max_length=255, blank=True)
    client_request_id = models.CharField("client request ID", max_length=255, blank=True)
    arm = models.CharField(max_length=200, blank=True, db_default="", help_text="Of the alias's experiment.")
    usage = models.JSONField(default=dict)
    receipt = models.JSONField(default=list)
    decision = models.JSONField(default=list)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(status__in=Status.values), name="usage_event_status_known"),
            models.CheckConstraint(condition=Q(cost_nanousd__gte=0), name="usage_event_cost_not_negative"),
            models.CheckConstraint(
                condition=Q(unsettled_nanousd__gte=0), name="usage_event_unsettled_not_negative"
            ),
        )
        indexes = (
            models.Index(fields=("tenant_id", "started_at"), name="usage_event_tenant"),
            models.Index(fields=("key_id", "started_at"), name="usage_event_key"),
            models.Index(fields=("model", "started_at"), name="usage_event_model"),
            models.Index(fields=("started_at",), name="usage_event_started"),
            models.Index(fields=("status", "started_at"), name="usage_event_status"),
            models.Index(fields=("model", "started_at"), condition=~Q(arm=""), name="usage_event_experiment"),
            models.Index(
                fields=("started_at",), condition=Q(unsettled_nanousd__gt=0), name="usage_event_unsettled"
            ),
            models.Index(
                fields=("error_code", "started_at"), condition=Q(error_code__gt=""), name="usage_event_code"
            ),
            models.Index(
                fields=("client_request_id",),
                condition=Q(client_request_id__gt=""),
                name="usage_event_client",
            ),
        )

    @override
    def __str__(self) -> str:
        return self.id


class LoggedRequest(models.Model):
    """A call without a row in the ledger, because no provider received it (metering/request_log/entry.py). Written by
    the workers' background tasks; names and ids are copies. The oldest go first (metering/request_log/rows.py).
    """

    id = models.CharField("request ID", max_length=64, primary_key=True)
    at = models.DateTimeField()
    method = models.CharField(max_length=16)
    path = models.CharField(max_length=256)
    endpoint = models.CharField(max_length=64, blank=True)
    tenant_id = models.BigIntegerField("tenant ID", default=0)
    tenant = models.CharField(max_length=200, blank=True)
    key_id = models.BigIntegerField("API key ID", default=0)
    api_key_prefix = models.CharField("API key prefix", max_length=32, blank=True)
    model = models.CharField(max_length=200, blank=True)
    stream = models.BooleanField(default=False)
    http_status = models.PositiveSmallIntegerField("HTTP status")
    error_code = models.CharField(max_length=64, blank=True)
    message = models.CharField(max_length=500, blank=True, help_text="What the client was told.")
    figures = models.JSONField(default=dict, help_text="The limit or the budget that refused.")
    decision = models.JSONField(default=list, help_text="What was allowed and tried.")
    latency_ms = models.FloatField("latency (ms)", default=0.0)
    client = models.CharField(max_length=45, blank=True)
    trace_id = models.CharField("trace ID", max_length=64, blank=True)
    client_request_id = models.CharField("client request ID", max_length=128, blank=True)
    alike = models.IntegerField(default=0, help_text="So many more calls like it were only counted.")
    until = models.DateTimeField(null=True, blank=True, help_text="When the last of those came in.")

    class Meta:
        verbose_name = "logged request"
        verbose_name_plural = "request log"
        indexes = (
            models.Index(fields=("at",), name="logged_request_at"),
            models.Index(fields=("tenant_id", "at"), name="logged_request_tenant"),
            models.Index(fields=("api_key_prefix", "at"), name="logged_request_prefix"),
            models.Index(fields=("model", "at"), name="logged_request_model"),
            models.Index(fields=("error_code", "at"), name="logged_request_code"),
            models.Index(fields=("http_status", "at"), name="logged_request_status"),
            models.Index(fields=("client_request_id",), name="logged_request_client"),
        )

    @override
    def __str__(self) -> str:
        return self.id


class Settlement(models.Model):
    """An unsettled call became exact: shows which windows have a new total (metering/settlement/news.py)."""

    request_id = models.CharField(max_length=64)
    tenant_id = models.BigIntegerField()
    key_id = models.BigIntegerField()
    started_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("request_id",), name="settlement_once"),)

    @override
    def __str__(self) -> str:
        return self.request_id


class HourlyUsage(models.Model):
    """The usage of one deployment by one key in one UTC hour, by status of the calls: a roll-up of the ledger.

    Rebuilt from the ledger whenever calls of that hour arrive; all that remains of an hour whose calls expired.
    """

    hour = models.DateTimeField()
    tenant_id = models.BigIntegerField()
    tenant = models.CharField(max_length=200)
    key_id = models.BigIntegerField()
    api_key_prefix = models.CharField("API key prefix", max_length=32)
    model = models.CharField(max_length=200)
    provider = models.CharField(max_length=32)
    deployment = models.CharField(max_length=200)
    status = models.CharField(max_length=16)
    calls = models.BigIntegerField()
    estimated_calls = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    cached_input_tokens = models.BigIntegerField()
    cache_write_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    reasoning_tokens = models.BigIntegerField()
    images = models.BigIntegerField()
    audio_seconds = models.FloatField()
    characters = models.BigIntegerField()
    cost_nanousd = models.BigIntegerField()
    latency_ms = models.FloatField()  # of all its calls together

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("hour", "tenant_id", "key_id", "model", "provider", "deployment", "status"),
                name="hourly_usage_once",
            ),
        )
        indexes = (
            models.Index(fields=("tenant_id", "hour"), name="hourly_usage_tenant"),
            models.Index(fields=("key_id", "hour"), name="hourly_usage_key"),
            models.Index(fields=("model", "hour"), name="hourly_usage_model"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.model} by {self.api_key_prefix} at {self.hour:%Y-%m-%d %H}h"


class ChangedHour(models.Model):
    """Calls of this hour were written since this generation began (metering/ledger/changed_hours.py)."""

    hour = models.DateTimeField()
    generation = models.BigIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("hour", "generation"), name="changed_hour_once"),)

    @override
    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h, {self.generation}"


class RollupState(models.Model):
    """One row, 1: how often hours were rolled up, and before which hour only roll-ups remain."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    generation = models.BigIntegerField(default=0)
    expired_before = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(id=1), name="rollup_state_single"),)

    @override
    def __str__(self) -> str:
        return f"generation {self.generation}"
