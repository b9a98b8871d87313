"""Effective-dated prices. Rates are integers: nano-USD per million units (catalog/pricing/prices.py)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q, Value
from django.utils.timezone import now
from typing_extensions import override

from catalog.pricing.price_terms import EACH, TOKEN_PARTS
from catalog.pricing.prices import PER
from gateway.values.money import NANO, in_usd

RATES = (*TOKEN_PARTS, *EACH)


class PriceSource(models.TextChoices):
    CONFIG = "config", "Configuration file"
    ADMIN = "admin", "Administrator"
    MAP = "map", "Price list that ships with the gateway"


PER_TOKENS = "per 1M tokens"
PER_MILLION = (
    "Rates are in nano-USD per million: 40000000000000 is 0.04 USD each, 2500000000 is 2.5 USD per 1M tokens."
)


def _rate(name: str, unit: str) -> models.BigIntegerField[Any, Any]:
    """Return a column in nano-USD per million units; people read and write it in USD, as its label states."""
    return models.BigIntegerField(f"{name.replace('_', ' ')} (USD {unit})", null=True, blank=True)


class Price(models.Model):
    """What a deployment costs from `active_from` until before `active_to`. Rows are closed, not rewritten."""

    deployment = models.ForeignKey("catalog.Deployment", on_delete=models.CASCADE, related_name="prices")
    active_from = models.DateTimeField(default=now)
    active_to = models.DateTimeField(null=True, blank=True)
    free = models.BooleanField(default=False)
    input = _rate("input", PER_TOKENS)
    output = _rate("output", PER_TOKENS)
    cached_input = _rate("cached_input", PER_TOKENS)
    cache_write = _rate("cache_write", PER_TOKENS)
    cache_write_1h = _rate("cache_write_1h", PER_TOKENS)
    reasoning = _rate("reasoning", PER_TOKENS)
    audio_input = _rate("audio_input", PER_TOKENS)
    audio_output = _rate("audio_output", PER_TOKENS)
    image_input = _rate("image_input", PER_TOKENS)
    image_output = _rate("image_output", PER_TOKENS)
    image = _rate("image", "each")
    images = models.JSONField(
        default=list, blank=True, help_text=f"[[rate, size, quality], …]. {PER_MILLION}"
    )
    second = _rate("second", "each")
    character = _rate("character", "each")
    request = _rate("request", "each")
    terms = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text=f"Steps (above), tiers, geography, tool_calls. {PER_MILLION} Factors are in millionths.",
    )
    source = models.CharField(max_length=8, choices=PriceSource, default=PriceSource.ADMIN, editable=False)

    class Meta:
        constraints = (
            *(
                models.CheckConstraint(
                    condition=Q(**{rate: None}) | Q(**{f"{rate}__gte": 0}), name=f"price_{rate}_not_negative"
                )
                for rate in RATES
            ),
            models.CheckConstraint(condition=Q(source__in=PriceSource.values), name="price_source_known"),
            models.CheckConstraint(
                condition=Q(active_to=None) | Q(active_to__gt=F("active_from")), name="price_window_forward"
            ),
            models.UniqueConstraint(
                fields=("deployment",), condition=Q(active_to=None), name="price_one_open"
            ),
            models.UniqueConstraint(fields=("deployment", "active_from"), name="price_start_once"),
        )

    @override
    def __str__(self) -> str:
        """Query the deployment, if it was not prefetched."""
        return f"Price of {self.deployment} from {self.active_from:%Y-%m-%d}"

    @property
    def in_words(self) -> str:
        """Return all rates with their units: "input 2.5, output 10 USD per 1M tokens; image 0.04 USD each"."""
        if self.free:
            return "free"
        stated = {rate: getattr(self, rate) for rate in RATES if getattr(self, rate) is not None}
        by_unit = []
        for unit, group in (
            ("USD per 1M tokens", set(stated) - set(EACH)),
            ("USD each", set(stated) & set(EACH)),
        ):
            rates = [
                f"{rate.replace('_', ' ')} {_usd(rate, stated[rate])}" for rate in RATES if rate in group
            ]
            if rates:
                by_unit.append(f"{', '.join(rates)} {unit}")
        more = [f"{len(self.images)} prices by size and quality"] if self.images else []
        return "; ".join([*by_unit, *more, *(["further terms"] if self.terms else [])]) or "no rates"

    @staticmethod
    def fact_in_words(name: str, value: Any) -> str | None:
        """Return a rate in USD, as its label states; None: not a rate."""
        return _usd(name, value) if name in RATES and isinstance(value, int) else None


def _usd(rate: str, value: int) -> str:
    return f"{in_usd(value, NANO * (PER if rate in EACH else 1)):f}"
