"""Writes to prices: rows are added and closed, never rewritten, so that every receipt can be recomputed. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import transaction
from django.utils.timezone import now as current_time

from catalog.models import RATES, Deployment, Price, PriceSource
from catalog.pricing.prices import PriceSheet
from tenants.audit import Actor
from tenants.config_version import bump_version
from tenants.services import rows

FIRST_PRICE_AGE = timedelta(
    days=1
)  # a clock that is set back finds a price too; there were no calls before it
TICK = timedelta(microseconds=1)
PRICE_COLUMNS = (*RATES, "free", "images", "terms")


def add_price(price: Price, *, actor: Actor) -> None:
    """Put an administrator's price in force from now on: the file no longer decides.

    Raises ValueError for a price that states nothing: free of charge is stated too.
    """
    if not is_stated({name: getattr(price, name) for name in PRICE_COLUMNS}):
        raise ValueError("a price states a rate above 0, or that it is free")
    price.source = PriceSource.ADMIN
    _put_in_force(price, current_time(), actor)


def set_price(
    deployment: Deployment, sheet: PriceSheet, *, source: str, now: datetime, actor: Actor | None = None
) -> Price:
    """Put a price in force from now on: the row before it ends at that instant; receipts stay correct.

    Without an author, as from the configuration file, there is no audit row.
    """
    price = Price(deployment=deployment, source=source, **columns_of(sheet))
    _put_in_force(price, now, actor)
    return price


@transaction.atomic
def end_price(deployment: Deployment, *, now: datetime) -> datetime:
    """Close the deployment's open price row, if any, and return when the next may begin."""
    latest = Price.objects.filter(deployment=deployment).order_by("-active_from").first()
    if latest is None:
        return now - FIRST_PRICE_AGE
    if latest.active_to is None:
        latest.active_to = max(now, latest.active_from + TICK)
        bump_version()
        latest.save(update_fields=["active_to"])
    return max(now, latest.active_to)


def is_stated(columns: Mapping[str, Any]) -> bool:
    """Whether columns of a price row state a price: a rate above 0, prices of pictures, or that it is free."""
    return bool(columns.get("free") or columns.get("images")) or any(columns.get(rate) for rate in RATES)


def columns_of(sheet: PriceSheet) -> dict[str, Any]:
    """Return a sheet as columns of a price row."""
    rates: Mapping[str, int | None] = {rate: getattr(sheet, rate) for rate in RATES}
    images = [[image.rate, image.size, image.quality] for image in sheet.images]
    terms: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(sheet.terms))
    return {**rates, "free": sheet.free, "images": images, "terms": terms}


@transaction.atomic
def _put_in_force(price: Price, now: datetime, actor: Actor | None) -> None:
    bump_version()
    price.active_from = end_price(price.deployment, now=now)
    if actor is not None:
        rows.write(price, "create", actor=actor, before=None)
    else:
        price.save()
