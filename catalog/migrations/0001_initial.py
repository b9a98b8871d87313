from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Credential",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=420, unique=True)),
                ("ciphertext", models.TextField(editable=False)),
                ("key_id", models.CharField(editable=False, max_length=16)),
                ("hint", models.CharField(blank=True, editable=False, max_length=4)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ciphertext", ""), _negated=True),
                        name="credential_ciphertext_given",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Model",
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
                ("removed", models.BooleanField(default=False, editable=False)),
                ("alias", models.CharField(max_length=200, unique=True)),
                (
                    "model_type",
                    models.CharField(
                        choices=[
                            ("llm", "Llm"),
                            ("embedding", "Embedding"),
                            ("image", "Image"),
                            ("audio", "Audio"),
                            ("moderation", "Moderation"),
                            ("rerank", "Rerank"),
                        ],
                        default="llm",
                        max_length=16,
                    ),
                ),
                (
                    "strategy",
                    models.CharField(
                        choices=[
                            ("weighted", "Weighted"),
                            ("least_busy", "Least Busy"),
                            ("latency", "Latency"),
                            ("cost", "Cost"),
                        ],
                        default="weighted",
                        max_length=16,
                    ),
                ),
                ("context_window", models.BigIntegerField(blank=True, null=True)),
                ("max_output_tokens", models.BigIntegerField(blank=True, null=True)),
                ("modalities", models.JSONField(blank=True, default=list)),
                ("supports_tools", models.BooleanField(default=True)),
                ("enabled", models.BooleanField(default=True)),
                ("owned_by", models.CharField(blank=True, default="open-model-gateway", max_length=200)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("model_type__in", ["llm", "embedding", "image", "audio", "moderation", "rerank"])
                        ),
                        name="model_type_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("strategy__in", ["weighted", "least_busy", "latency", "cost"])),
                        name="model_strategy_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("origin__in", ["file", "admin"])), name="model_origin_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("alias", ""), _negated=True), name="model_alias_given"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("context_window", None), ("context_window__gt", 0), _connector="OR"
                        ),
                        name="model_context_window_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("max_output_tokens", None), ("max_output_tokens__gt", 0), _connector="OR"
                        ),
                        name="model_max_output_positive",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Deployment",
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
                ("removed", models.BooleanField(default=False, editable=False)),
                ("name", models.CharField(max_length=200)),
                (
                    "provider",
                    models.CharField(
                        choices=[
                            ("openai", "Openai"),
                            ("openai-compatible", "Openai Compatible"),
                            ("azure", "Azure"),
                            ("anthropic", "Anthropic"),
                            ("bedrock", "Bedrock"),
                            ("vertex", "Vertex"),
                            ("huggingface", "Huggingface"),
                            ("simulator", "Simulator"),
                        ],
                        max_length=32,
                    ),
                ),
                ("upstream_model", models.CharField(max_length=300)),
                ("endpoint", models.CharField(blank=True, max_length=500)),
                ("api_version", models.CharField(blank=True, max_length=64)),
                ("region", models.CharField(blank=True, max_length=64)),
                ("priority", models.IntegerField(default=0, help_text="Lower is tried first.")),
                ("weight", models.IntegerField(default=100)),
                ("enabled", models.BooleanField(default=True)),
                (
                    "timeouts",
                    models.JSONField(
                        blank=True, default=dict, help_text="Seconds: connect, first_byte, idle, total."
                    ),
                ),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("problem", models.TextField(blank=True, editable=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "credential",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="deployments",
                        to="catalog.credential",
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deployments",
                        to="catalog.model",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("model", "name"), name="deployment_name_in_model"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "provider__in",
                                [
                                    "openai",
                                    "openai-compatible",
                                    "azure",
                                    "anthropic",
                                    "bedrock",
                                    "vertex",
                                    "huggingface",
                                    "simulator",
                                ],
                            )
                        ),
                        name="deployment_provider_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("origin__in", ["file", "admin"])), name="deployment_origin_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("weight__gte", 0)), name="deployment_weight_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("priority__gte", 0)), name="deployment_priority_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("name", ""), _negated=True), name="deployment_name_given"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("active_from", models.DateTimeField(default=django.utils.timezone.now)),
                ("active_to", models.DateTimeField(blank=True, null=True)),
                ("free", models.BooleanField(default=False)),
                ("input", models.BigIntegerField(blank=True, null=True)),
                ("output", models.BigIntegerField(blank=True, null=True)),
                ("cached_input", models.BigIntegerField(blank=True, null=True)),
                ("cache_write", models.BigIntegerField(blank=True, null=True)),
                ("reasoning", models.BigIntegerField(blank=True, null=True)),
                ("audio_input", models.BigIntegerField(blank=True, null=True)),
                ("audio_output", models.BigIntegerField(blank=True, null=True)),
                ("image", models.BigIntegerField(blank=True, null=True)),
                (
                    "images",
                    models.JSONField(blank=True, default=list, help_text="[[rate, size, quality], …]"),
                ),
                ("second", models.BigIntegerField(blank=True, null=True)),
                ("character", models.BigIntegerField(blank=True, null=True)),
                ("request", models.BigIntegerField(blank=True, null=True)),
                (
                    "source",
                    models.CharField(
                        choices=[("config", "Config"), ("admin", "Admin"), ("map", "Map")],
                        default="admin",
                        editable=False,
                        max_length=8,
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prices",
                        to="catalog.deployment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("input", None), ("input__gte", 0), _connector="OR"),
                        name="price_input_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("output", None), ("output__gte", 0), _connector="OR"),
                        name="price_output_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cached_input", None), ("cached_input__gte", 0), _connector="OR"),
                        name="price_cached_input_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("cache_write", None), ("cache_write__gte", 0), _connector="OR"),
                        name="price_cache_write_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reasoning", None), ("reasoning__gte", 0), _connector="OR"),
                        name="price_reasoning_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("audio_input", None), ("audio_input__gte", 0), _connector="OR"),
                        name="price_audio_input_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("audio_output", None), ("audio_output__gte", 0), _connector="OR"),
                        name="price_audio_output_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("image", None), ("image__gte", 0), _connector="OR"),
                        name="price_image_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("second", None), ("second__gte", 0), _connector="OR"),
                        name="price_second_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("character", None), ("character__gte", 0), _connector="OR"),
                        name="price_character_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("request", None), ("request__gte", 0), _connector="OR"),
                        name="price_request_not_negative",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ["config", "admin", "map"])),
                        name="price_source_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("active_to", None), ("active_to__gt", models.F("active_from")), _connector="OR"
                        ),
                        name="price_window_forward",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("active_to", None)), fields=("deployment",), name="price_one_open"
                    ),
                    models.UniqueConstraint(fields=("deployment", "active_from"), name="price_start_once"),
                ],
            },
        ),
    ]
