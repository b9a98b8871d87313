"""WHAT and WHERE TO: aliases, their deployments, credentials and effective-dated prices.

Rows that came from the configuration file follow it until an administrator edits or removes them.
Prices are in catalog/price_models.py.
"""

from __future__ import annotations

from secrets import token_hex

from django.db import models
from django.db.models import Q, Value
from django.utils.timezone import now
from typing_extensions import override

from catalog.price_models import RATES, Price, PriceSource
from catalog.pricing.price_terms import EACH

__all__ = [
    "EACH",
    "RATES",
    "Credential",
    "Deployment",
    "HealthProbe",
    "ManagedBy",
    "Model",
    "ModelType",
    "Price",
    "PriceSource",
    "Provider",
    "Strategy",
    "UnknownMembers",
    "new_seal_id",
]


class ManagedBy(models.TextChoices):
    FILE = "file"
    ADMIN = "admin"


class Managed(models.Model):
    """A row follows the file until it is `edited`; `removed` is an administrator's deletion."""

    origin = models.CharField(max_length=8, choices=ManagedBy, default=ManagedBy.ADMIN, editable=False)
    edited = models.BooleanField(default=False, editable=False)
    removed = models.BooleanField(default=False, editable=False)

    class Meta:
        abstract = True


class ModelType(models.TextChoices):
    LLM = "llm", "LLM (chat)"
    EMBEDDING = "embedding"
    IMAGE = "image"
    AUDIO = "audio"
    MODERATION = "moderation"
    RERANK = "rerank"


class Strategy(models.TextChoices):
    WEIGHTED = "weighted"
    LEAST_BUSY = "least_busy"
    LATENCY = "latency"
    COST = "cost"


class Model(Managed):
    """A public alias. Token limits null: unknown (the price map may know them)."""

    alias = models.CharField(max_length=200, unique=True)
    model_type = models.CharField("type", max_length=16, choices=ModelType, default=ModelType.LLM)
    strategy = models.CharField(max_length=16, choices=Strategy, default=Strategy.WEIGHTED)
    context_window = models.BigIntegerField("context window (tokens)", null=True, blank=True)
    max_output_tokens = models.BigIntegerField("longest answer (tokens)", null=True, blank=True)
    modalities = models.JSONField(default=list, blank=True)
    supports_tools = models.BooleanField(default=True)
    enabled = models.BooleanField(default=True)
    owned_by = models.CharField(max_length=200, default="open-model-gateway", blank=True)
    metadata = models.JSONField(
        default=dict, blank=True, help_text='{"sticky": "user" or "prompt_cache_key"}'
    )
    fallbacks = models.JSONField(
        default=dict,
        blank=True,
        help_text="Other aliases by reason: unavailable, context_window, content_filter.",
    )
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(model_type__in=ModelType.values), name="model_type_known"),
            models.CheckConstraint(condition=Q(strategy__in=Strategy.values), name="model_strategy_known"),
            models.CheckConstraint(condition=Q(origin__in=ManagedBy.values), name="model_origin_known"),
            models.CheckConstraint(condition=~Q(alias=""), name="model_alias_given"),
            models.CheckConstraint(
                condition=Q(context_window=None) | Q(context_window__gt=0),
                name="model_context_window_positive",
                violation_error_message="The context window is a number of tokens above 0, or empty.",
            ),
            models.CheckConstraint(
                condition=Q(max_output_tokens=None) | Q(max_output_tokens__gt=0),
                name="model_max_output_positive",
                violation_error_message="The longest answer is a number of tokens above 0, or empty.",
            ),
        )

    @override
    def __str__(self) -> str:
        return self.alias


class Credential(models.Model):
    """A provider's key, sealed (catalog/secrets/sealing.py) and write-only; `hint` is its last characters.

    `name` is what it is sealed for. Only the previous release reads it: this one derives it from the deployment.
    """

    name = models.CharField(max_length=420, unique=True)
    ciphertext = models.TextField(editable=False)
    key_id = models.CharField(max_length=16, editable=False)
    hint = models.CharField(max_length=4, blank=True, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(ciphertext=""), name="credential_ciphertext_given"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"


class Provider(models.TextChoices):
    OPENAI = "openai", "OpenAI"
    OPENAI_COMPATIBLE = "openai-compatible", "OpenAI-compatible server"
    AZURE = "azure", "Azure OpenAI"
    ANTHROPIC = "anthropic", "Anthropic"
    BEDROCK = "bedrock", "Amazon Bedrock"
    VERTEX = "vertex", "Google Vertex AI"
    HUGGINGFACE = "huggingface", "Hugging Face"
    SIMULATOR = "simulator", "Simulator (built in)"


class UnknownMembers(models.TextChoices):
    TAKE = "pass", "Pass them on"
    REFUSE = "refuse", "Refuse the call"


def new_seal_id() -> str:
    return token_hex(16)


class Deployment(Managed):
    """A provider endpoint that serves an alias. `problem` is why a row disabled itself.

    `seal_id` is the row's name in what its secrets are sealed for; null in rows of releases before it.
    """

    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="deployments")
    name = models.CharField(max_length=200)
    provider = models.CharField(max_length=32, choices=Provider)
    upstream_model = models.CharField(max_length=300)
    endpoint = models.CharField(max_length=500, blank=True)
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.SET_NULL, related_name="deployments"
    )
    api_version = models.CharField("API version", max_length=64, blank=True)
    region = models.CharField(max_length=64, blank=True)
    priority = models.IntegerField(default=0, help_text="Lower is tried first.")
    weight = models.IntegerField(default=100)
    shadow_percent = models.IntegerField(
        "shadow (percent)",
        default=0,
        help_text="Above 0 it never answers; so many percent of the alias's calls are mirrored to it.",
    )
    enabled = models.BooleanField(default=True)
    unknown_members = models.CharField(
        max_length=8,
        choices=UnknownMembers,
        default=UnknownMembers.TAKE,
        db_default=UnknownMembers.TAKE,
        blank=True,
        help_text="Request members that the gateway does not know.",
    )
    refused_members = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        blank=True,
        help_text="Of those, not under a budget: a call with them cost more than was held. Empty it to try them again.",
    )
    timeouts = models.JSONField(
        default=dict, blank=True, help_text="Seconds: connect, first_byte, idle, total."
    )
    metadata = models.JSONField(default=dict, blank=True)
    capabilities = models.JSONField(
        default=dict,
        blank=True,
        help_text="Where it can do less than its alias: modalities, tools, json_schema, context_window.",
    )
    facts = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text='What is known of its model, such as {"thinking": "adaptive", "image_max_tokens": 1600}.',
    )
    found_facts = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        editable=False,
        help_text="What its vendor's model page stated (manage.py catalog facts --write). `facts` goes first.",
    )
    problem = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    seal_id = models.CharField(max_length=32, null=True, unique=True, default=new_seal_id, editable=False)  # noqa: DJ001 - above

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("model", "name"),
                name="deployment_name_in_model",
                violation_error_message="This model has a deployment of this name already.",
            ),
            models.CheckConstraint(
                condition=Q(provider__in=Provider.values), name="deployment_provider_known"
            ),
            models.CheckConstraint(condition=Q(origin__in=ManagedBy.values), name="deployment_origin_known"),
            models.CheckConstraint(
                condition=Q(weight__gte=0),
                name="deployment_weight_not_negative",
                violation_error_message="The weight is 0 or more.",
            ),
            models.CheckConstraint(
                condition=Q(shadow_percent__gte=0, shadow_percent__lte=100),
                name="deployment_shadow_percent",
                violation_error_message="The shadow is a percentage from 0 to 100.",
            ),
            models.CheckConstraint(
                condition=Q(priority__gte=0),
                name="deployment_priority_not_negative",
                violation_error_message="The priority is 0 or more.",
            ),
            models.CheckConstraint(condition=~Q(name=""), name="deployment_name_given"),
        )

    @override
    def __str__(self) -> str:
        """Query the model, if it was not prefetched: several have a deployment of the same name."""
        return f"{self.model} / {self.name}"


class HealthProbe(models.Model):
    """The result of a background probe of one endpoint and credential. `since`: when its state began."""

    place = models.CharField(max_length=32)
    provider = models.CharField(max_length=32)
    endpoint = models.CharField(max_length=500)
    deployments = models.JSONField(default=list, help_text="Ids of the deployments it stands for.")
    at = models.DateTimeField()
    state = models.CharField(max_length=8)
    since = models.DateTimeField()
    failures = models.IntegerField(default=0, help_text="Failed probes in a row.")
    status = models.IntegerField("HTTP status", null=True)
    latency_ms = models.FloatField("latency (ms)", default=0)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=("place", "-at"), name="probe_place"),
            models.Index(fields=("at",), name="probe_at"),
            models.Index(fields=("state", "-at"), name="probe_state"),
            models.Index(fields=("provider", "-at"), name="probe_provider"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.provider} {self.endpoint}: {self.state}"
