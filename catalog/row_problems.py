"""Why a row of the catalog cannot serve, in words for its author: the same for a row of the file and one that was
made in the back office, for `manage.py check`, /readyz and the log. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.pricing.config_prices import sheet_of
from catalog.pricing.price_map import lookup
from catalog.pricing.prices import PriceSheet, missing_price
from catalog.snapshot import SERVED_TYPES, CatalogProblem
from gateway.config.normalization import is_sendable
from providers.platforms.provider import REGION
from providers.registry import PROVIDERS, address, default_secret, metadata_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.config.sections.model_catalog import ModelEntry
    from gateway.config.sections.sign_in import Providers


def of_provider(provider: str) -> str:
    """Return that a provider is not supported; "" when it is."""
    if provider in PROVIDERS:
        return ""
    return f"the provider '{provider}' is not supported by this version: use {', '.join(PROVIDERS)}"


def of_target(provider: str, base_url: str, secret: str, metadata: Mapping[str, str]) -> str:
    """Return what is missing for sending a call; "" when nothing is. The simulator's address is known when it runs."""
    if why := of_provider(provider):
        return why
    if not base_url and provider != "simulator":
        return "no endpoint"
    if REGION in base_url:
        return "no region"
    return _of_credential(provider, secret, metadata)


def _of_credential(provider: str, secret: str, metadata: Mapping[str, str]) -> str:
    row = PROVIDERS[provider]
    if row.needs_secret and not secret:
        return "no API key"
    if not is_sendable(secret):
        return "the API key holds a line end or a letter that no header can carry: type it again, in one line"
    return row.lacks(metadata, secret)


def of_type(model_type: str) -> str:
    """Return that no endpoint serves models of a type; "" when one does."""
    return (
        ""
        if model_type in SERVED_TYPES
        else f"there is no endpoint for models of the type '{model_type}' yet"
    )


def of_model(provider: str, model_type: str) -> str:
    """Return that a provider has no models of a type; "" when it has, or when the provider is unknown."""
    row = PROVIDERS.get(provider)
    if row is None or not row.model_types or model_type in row.model_types:
        return ""
    return f"the provider '{provider}' has no models of the type '{model_type}'"


def of_alias(alias: str, model_type: str, rows: Sequence[object]) -> list[CatalogProblem]:
    """Return what keeps an alias from serving, whatever its deployments are."""
    why = of_type(model_type) or ("" if rows else "it has no deployment")
    return [CatalogProblem(alias, "", why)] if why else []


def of_entry(row: ModelEntry, config: Providers) -> str:
    """Return why a row of the file cannot serve; "" when it can. `row.problem` has what its loading found."""
    if why := row.problem or of_provider(row.provider) or of_model(row.provider, row.model_type):
        return why
    base_url = address(row.provider, row.endpoint, row.region, config)
    secret = row.api_key or default_secret(row.provider, base_url, config)
    metadata = metadata_for(row.provider, base_url, row.metadata, secret, config)
    return of_target(row.provider, base_url, secret, metadata) or of_type(row.model_type) or of_price(row)


def of_price(row: ModelEntry) -> str:
    """Return what a row of the file lacks for pricing its calls; "" if nothing."""
    known = lookup(row.provider, row.provider_model)
    sheet = sheet_of(row) or (known.sheet if known is not None else PriceSheet())
    return missing_price(sheet, row.model_type)
