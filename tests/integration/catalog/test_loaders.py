"""The catalog as it is read: what cannot work is disabled alone, with the reason."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.conf import settings

from catalog.loaders import Source, load_snapshot
from catalog.models import Deployment, Model
from catalog.snapshot import CatalogProblem, Snapshot
from catalog.sync import sync_catalog
from gateway.config import Config

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(alias: str, **more: object) -> dict[str, object]:
    return {
        "alias": alias,
        "provider": "openai",
        "provider_model": "gpt-4o",
        "api_key": "k",
        "price_input": 1,
        "price_output": 1,
        **more,
    }


def read() -> Snapshot:
    return load_snapshot(Source(Config(), settings.SECRETS.encryption_key), 1, NOW)


def written(*rows: dict[str, object]) -> None:
    sync_catalog(Config.model_validate({"model_catalog": rows}), now=NOW)


def test_a_fallback_that_goes_bad_is_left_out_alone_and_named() -> None:
    fallbacks = {"unavailable": ["steady", "gone"], "context_window": ["long"], "content_filter": ["vectors"]}
    written(
        row("fast", fallbacks=fallbacks),
        row("steady"),
        row("long"),
        row("vectors", model_type="embedding"),
        row("gone"),
    )
    Model.objects.filter(alias="gone").update(removed=True)
    Model.objects.filter(alias="long").update(enabled=False)

    snapshot = read()

    fast = snapshot.models["fast"]
    assert fast.fallbacks == {"unavailable": ("steady",)}
    assert len(fast.deployments) == 1, "the alias itself serves"
    assert snapshot.problems == (
        CatalogProblem("fast", "", "Its fallback gone (unavailable) is left out: there is no such model."),
        CatalogProblem("fast", "", "Its fallback long (context_window) is left out: it is disabled."),
        CatalogProblem(
            "fast", "", "Its fallback vectors (content_filter) is left out: it is of type embedding."
        ),
    )


def test_a_fallback_that_is_good_again_is_taken_again() -> None:
    written(row("fast", fallbacks=["steady"]), row("steady"))
    Model.objects.filter(alias="steady").update(enabled=False)
    assert read().models["fast"].fallbacks == {}

    Model.objects.filter(alias="steady").update(enabled=True)

    assert read().models["fast"].fallbacks == {"unavailable": ("steady",)}
    assert read().problems == ()


def test_an_address_that_a_person_may_have_typed_is_guarded() -> None:
    plain = {"provider": "openai-compatible", "api_key": "", "endpoint": "http://10.0.0.7/v1"}
    rows = [row(alias, **plain) for alias in ("files", "known", "typed")]
    written(*rows)
    Deployment.objects.filter(model__alias="known").update(edited=True)
    Deployment.objects.filter(model__alias="typed").update(edited=True, endpoint="http://10.0.0.8/v1")
    config = Config.model_validate({"model_catalog": rows})

    models = load_snapshot(Source(config, settings.SECRETS.encryption_key), 1, NOW).models

    guarded = {alias: model.deployments[0].target.is_guarded for alias, model in models.items()}
    assert guarded == {"files": False, "known": False, "typed": True}


OTHER = {"provider": "openai-compatible", "provider_model": "x", "endpoint": "http://x/v1", "api_key": ""}


@pytest.mark.parametrize(
    ("rows", "window"),
    [
        ([{"context_window": 8_000}, {}], 128_000),  # the second one is gpt-4o, which the map knows
        ([{"context_window": 8_000}, OTHER], None),  # of which nothing is known
        ([OTHER, {}], None),
        ([{**OTHER, "context_window": 8_000}, {**OTHER, "context_window": 32_000}], 32_000),
        ([{**OTHER, "context_window": 200_000}, {}], 200_000),
    ],
)
def test_the_window_of_one_server_bounds_no_other(rows, window) -> None:
    written(*[row("m", **each) for each in rows])
    assert read().models["m"].context_window == window


@pytest.mark.parametrize(("typed", "window"), [(4_000, 4_000), (None, 128_000)])
def test_what_an_administrator_wrote_at_the_alias_is_of_all_its_deployments(typed, window) -> None:
    written(row("m", context_window=8_000), row("m"))
    Model.objects.update(edited=True, context_window=typed)
    assert read().models["m"].context_window == window
