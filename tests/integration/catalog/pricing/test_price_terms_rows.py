"""Tiers, tools and lifetimes of a row of the file reach the snapshot, and a second run writes nothing."""

from __future__ import annotations

import pytest
from django.utils.timezone import now

from catalog.loaders import Source, load_snapshot
from catalog.models import Deployment, Price
from catalog.pricing.price_terms import Factor, ToolRate
from catalog.services import refuse_members
from catalog.sync import sync_catalog
from gateway.config import Config
from providers.media.image_tokens import MediaLimits
from tenants.audit import Actor

pytestmark = pytest.mark.django_db


def config(facts=None, **pricing):
    row = {
        "alias": "m",
        "provider": "openai-compatible",
        "provider_model": "x",
        "endpoint": "http://x/v1",
        "deployment": "m-1",
        "price_input": 1,
        "price_output": 2,
        "unknown_members": "refuse",
        "pricing": pricing,
        "facts": facts or {},
    }
    return Config.model_validate({"model_catalog": [row]})


def test_price_terms_follow_the_file():
    stated = config(tiers={"flex": 0.5}, tool_calls={"web_search": 0.01}, cache_write_1h=3)
    assert sync_catalog(stated)
    assert not sync_catalog(stated)
    [deployment] = load_snapshot(Source(stated, b"k" * 32), 1, now()).models["m"].deployments
    assert deployment.sheet.terms.tiers == (Factor("flex", 500_000),)
    assert deployment.sheet.terms.tool_calls == (ToolRate("web_search", 10**13),)
    assert deployment.sheet.cache_write_1h == 3 * 10**12
    assert not deployment.capabilities.unknown_members
    assert sync_catalog(config(tiers={"flex": 0.6}))
    assert Price.objects.count() == 2


def test_facts_follow_the_file_until_they_are_edited():
    stated = config(facts={"image_max_tokens": 900, "pdf_page_max_tokens": 1_200})
    assert sync_catalog(stated)
    assert not sync_catalog(stated)
    [deployment] = load_snapshot(Source(stated, b"k" * 32), 1, now()).models["m"].deployments
    assert deployment.media_limits == MediaLimits("x", 900, 1_200)
    assert sync_catalog(config())
    [deployment] = load_snapshot(Source(config(), b"k" * 32), 1, now()).models["m"].deployments
    assert deployment.media_limits == MediaLimits("x")
    Deployment.objects.update(facts={"image_max_tokens": 5}, edited=True)
    assert not sync_catalog(stated)


def test_refused_members_stay_until_they_are_cleared():
    stated = config()
    sync_catalog(stated)
    row = Deployment.objects.get()
    assert refuse_members(row.pk, ["b", "a"], actor=Actor("call r1"))
    assert not refuse_members(row.pk, ["a"], actor=Actor("call r2"))
    sync_catalog(stated)
    [deployment] = load_snapshot(Source(stated, b"k" * 32), 1, now()).models["m"].deployments
    assert deployment.capabilities.refused_members == {"a", "b"}
