"""The back office of prices: added, never changed, so that every receipt can be recomputed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from typing_extensions import override

from catalog.forms import PER_TOKENS, PriceForm
from catalog.models import RATES, Price
from catalog.services import add_price
from gateway.values.money import in_usd
from tenants.back_office.admin_base import AuditedModelAdmin, TabularInline
from tenants.back_office.row_services import SERVICES, RowServices

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class PriceInline(TabularInline):
    """Prices are added, never changed: the row in force is closed when the next one is saved."""

    model = Price
    form = PriceForm
    fields: ClassVar[tuple[str, ...]] = (
        "input",
        "output",
        "cached_input",
        "image",
        "second",
        "request",
        "free",
    )
    extra = 0
    can_delete = False
    verbose_name = "new price"
    verbose_name_plural = "new price, in force from now on"

    @override
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).none()  # what was in force is on the page of prices


@admin.register(Price)
class PriceAdmin(AuditedModelAdmin):
    form = PriceForm
    list_display = (
        "deployment",
        "alias",
        "active_from",
        "active_to",
        "input_usd",
        "output_usd",
        "free",
        "source",
    )
    list_filter = ("source", "free", ("active_to", admin.EmptyFieldListFilter))
    search_help_text = "A part of a deployment's or a model's name."
    list_select_related = ("deployment__model",)
    search_fields = ("deployment__name", "deployment__model__alias")
    autocomplete_fields = ("deployment",)
    ordering = ("-active_from", "-pk")

    @override
    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("deployment", "free", *RATES, "images", "terms")
        return (
            "deployment",
            "alias",
            "active_from",
            "active_to",
            "source",
            "free",
            "rates_usd",
            "images",
            "terms",
        )

    @override
    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("alias", "active_from", "active_to", "source", "rates_usd")

    @admin.display(description="alias")
    def alias(self, price: Price) -> str:
        return price.deployment.model.alias

    @admin.display(description="rates")
    def rates_usd(self, price: Price) -> str:
        return price.in_words

    @admin.display(description="USD per 1M input tokens")
    def input_usd(self, price: Price) -> str:
        return _shown(price.input)

    @admin.display(description="USD per 1M output tokens")
    def output_usd(self, price: Price) -> str:
        return _shown(price.output)


SERVICES[Price] = RowServices(add_price)


def _shown(rate: int | None) -> str:
    return "" if rate is None else f"{in_usd(rate, PER_TOKENS):f}"
