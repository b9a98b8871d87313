from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="UsageEvent",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("tenant_id", models.BigIntegerField()),
                ("tenant", models.CharField(max_length=200)),
                ("key_id", models.BigIntegerField()),
                ("api_key_prefix", models.CharField(max_length=32)),
                ("endpoint", models.CharField(max_length=64)),
                ("model", models.CharField(max_length=200)),
                ("provider", models.CharField(max_length=32)),
                ("deployment", models.CharField(max_length=200)),
                ("upstream_model", models.CharField(max_length=300)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("ok", "Ok"),
                            ("error", "Error"),
                            ("cancelled", "Cancelled"),
                            ("incomplete", "Incomplete"),
                        ],
                        max_length=16,
                    ),
                ),
                ("http_status", models.IntegerField()),
                ("error_code", models.CharField(blank=True, max_length=64)),
                ("stream", models.BooleanField(default=False)),
                ("attempts", models.IntegerField(default=1)),
                ("input_tokens", models.BigIntegerField(default=0)),
                ("cached_input_tokens", models.BigIntegerField(default=0)),
                ("cache_write_tokens", models.BigIntegerField(default=0)),
                ("output_tokens", models.BigIntegerField(default=0)),
                ("reasoning_tokens", models.BigIntegerField(default=0)),
                ("images", models.BigIntegerField(default=0)),
                ("audio_seconds", models.FloatField(default=0.0)),
                ("characters", models.BigIntegerField(default=0)),
                ("estimated", models.BooleanField(default=False)),
                ("cost_nanousd", models.BigIntegerField(default=0)),
                ("price_id", models.BigIntegerField(default=0)),
                ("latency_ms", models.FloatField(default=0.0)),
                ("ttft_ms", models.FloatField(blank=True, null=True)),
                ("overhead_ms", models.FloatField(default=0.0)),
                ("trace_id", models.CharField(blank=True, max_length=64)),
                ("idempotency_key", models.CharField(blank=True, max_length=255)),
                ("client_request_id", models.CharField(blank=True, max_length=255)),
                ("usage", models.JSONField(default=dict)),
                ("receipt", models.JSONField(default=list)),
                ("decision", models.JSONField(default=list)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "started_at"], name="usage_event_tenant"),
                    models.Index(fields=["key_id", "started_at"], name="usage_event_key"),
                    models.Index(fields=["model", "started_at"], name="usage_event_model"),
                    models.Index(fields=["started_at"], name="usage_event_started"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["ok", "error", "cancelled", "incomplete"])),
                        name="usage_event_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cost_nanousd__gte", 0)), name="usage_event_cost_not_negative"
                    ),
                ],
            },
        ),
    ]
