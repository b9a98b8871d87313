from __future__ import annotations

from typing import Any

from django.db import migrations, models

# Hours of calls that were written before hours were marked are added up once, like all others.
MARK = {
    "sqlite": "strftime('%%Y-%%m-%%d %%H:00:00', started_at)",
    "postgresql": "date_trunc('hour', started_at, 'UTC')",
}


def mark_what_is_there(_: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        hour = MARK[schema_editor.connection.vendor]
        cursor.execute(
            f"INSERT INTO metering_stalehour (hour, generation) "  # noqa: S608 - one of two known texts
            f"SELECT DISTINCT {hour}, 0 FROM metering_usageevent",
            [],
        )


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="HourlyUsage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("tenant_id", models.BigIntegerField()),
                ("tenant", models.CharField(max_length=200)),
                ("key_id", models.BigIntegerField()),
                ("api_key_prefix", models.CharField(max_length=32)),
                ("model", models.CharField(max_length=200)),
                ("provider", models.CharField(max_length=32)),
                ("deployment", models.CharField(max_length=200)),
                ("status", models.CharField(max_length=16)),
                ("calls", models.BigIntegerField()),
                ("estimated_calls", models.BigIntegerField()),
                ("input_tokens", models.BigIntegerField()),
                ("cached_input_tokens", models.BigIntegerField()),
                ("cache_write_tokens", models.BigIntegerField()),
                ("output_tokens", models.BigIntegerField()),
                ("reasoning_tokens", models.BigIntegerField()),
                ("images", models.BigIntegerField()),
                ("audio_seconds", models.FloatField()),
                ("characters", models.BigIntegerField()),
                ("cost_nanousd", models.BigIntegerField()),
                ("latency_ms", models.FloatField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "hour"], name="hourly_usage_tenant"),
                    models.Index(fields=["key_id", "hour"], name="hourly_usage_key"),
                    models.Index(fields=["model", "hour"], name="hourly_usage_model"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "tenant_id", "key_id", "model", "provider", "deployment", "status"),
                        name="hourly_usage_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RollupState",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("generation", models.BigIntegerField(default=0)),
                ("expired_before", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="rollup_state_single")
                ],
            },
        ),
        migrations.CreateModel(
            name="StaleHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("generation", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("hour", "generation"), name="stale_hour_once")
                ],
            },
        ),
        migrations.RunPython(mark_what_is_there, migrations.RunPython.noop),
    ]
