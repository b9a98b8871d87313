from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SpendWindow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("scope", models.CharField(max_length=40)),
                ("schedule", models.CharField(max_length=32)),
                ("timezone", models.CharField(max_length=64)),
                ("start", models.DateTimeField()),
                ("end", models.DateTimeField()),
                ("spent_nanousd", models.BigIntegerField(default=0)),
                ("version", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("scope", "schedule", "timezone", "start"), name="spend_window_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("spent_nanousd__gte", 0)), name="spend_window_spent_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("end__gt", models.F("start"))), name="spend_window_forward"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Budget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[("file", "File"), ("admin", "Admin")],
                        default="admin",
                        editable=False,
                        max_length=8,
                    ),
                ),
                ("edited", models.BooleanField(default=False, editable=False)),
                ("limit_nanousd", models.BigIntegerField()),
                ("schedule", models.CharField(default="calendar_month", max_length=32)),
                ("warning_ratio", models.FloatField(default=0.8)),
                (
                    "on_insufficient",
                    models.CharField(
                        choices=[("refuse", "Refuse"), ("clamp", "Clamp")], default="refuse", max_length=8
                    ),
                ),
                ("alerts_enabled", models.BooleanField(default=True)),
                ("alert_emails", models.JSONField(blank=True, default=list)),
                ("alert_webhooks", models.JSONField(blank=True, default=list)),
                ("alert_cooldown_s", models.BigIntegerField(default=3600)),
                (
                    "key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)ss",
                        to="tenants.apikey",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)ss",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("key__isnull", False), ("tenant__isnull", True)),
                            models.Q(("key__isnull", True), ("tenant__isnull", False)),
                            _connector="OR",
                        ),
                        name="budget_one_scope",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("origin__in", ["file", "admin"])), name="budget_origin_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("limit_nanousd__gt", 0), ("limit_nanousd__lte", 9000000000000000)
                        ),
                        name="budget_limit_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("schedule__in", ("calendar_month", "weekly", "daily")),
                            models.Q(("schedule__endswith", "d"), ("schedule__startswith", "rolling_")),
                            _connector="OR",
                        ),
                        name="budget_schedule_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("warning_ratio__gt", 0), ("warning_ratio__lte", 1)),
                        name="budget_warning_ratio_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("on_insufficient__in", ["refuse", "clamp"])),
                        name="budget_on_insufficient_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("alert_cooldown_s__gte", 0)), name="budget_cooldown_not_negative"
                    ),
                    models.UniqueConstraint(
                        fields=("tenant", "schedule"), name="budget_schedule_once_per_tenant"
                    ),
                    models.UniqueConstraint(fields=("key", "schedule"), name="budget_schedule_once_per_key"),
                ],
            },
        ),
        migrations.CreateModel(
            name="RateLimit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "origin",
                    models.CharField(
                        choices=[("file", "File"), ("admin", "Admin")],
                        default="admin",
                        editable=False,
                        max_length=8,
                    ),
                ),
                ("edited", models.BooleanField(default=False, editable=False)),
                ("requests_per_minute", models.BigIntegerField(blank=True, null=True)),
                ("tokens_per_minute", models.BigIntegerField(blank=True, null=True)),
                ("parallel_requests", models.BigIntegerField(blank=True, null=True)),
                (
                    "key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)ss",
                        to="tenants.apikey",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)ss",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("key__isnull", False), ("tenant__isnull", True)),
                            models.Q(("key__isnull", True), ("tenant__isnull", False)),
                            _connector="OR",
                        ),
                        name="rate_limit_one_scope",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("origin__in", ["file", "admin"])), name="rate_limit_origin_known"
                    ),
                    models.UniqueConstraint(fields=("tenant",), name="rate_limit_once_per_tenant"),
                    models.UniqueConstraint(fields=("key",), name="rate_limit_once_per_key"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("requests_per_minute", None),
                            ("requests_per_minute", -1),
                            ("requests_per_minute__gt", 0),
                            _connector="OR",
                        ),
                        name="rate_limit_requests_per_minute_valid",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("tokens_per_minute", None),
                            ("tokens_per_minute", -1),
                            ("tokens_per_minute__gt", 0),
                            _connector="OR",
                        ),
                        name="rate_limit_tokens_per_minute_valid",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("parallel_requests", None),
                            ("parallel_requests", -1),
                            ("parallel_requests__gt", 0),
                            _connector="OR",
                        ),
                        name="rate_limit_parallel_requests_valid",
                    ),
                ],
            },
        ),
    ]
