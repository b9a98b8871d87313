"""What the serving process knows of a model: the row's own words, what its vendor said, the price map, the defaults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings

from catalog.loaders import Source, load_snapshot
from catalog.models import Deployment
from catalog.services import store_found_facts
from catalog.snapshot import Deployment as Served
from catalog.sync import sync_catalog
from gateway.config import Config
from tenants.audit import at_the_shell
from tenants.models import AuditEvent

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def served(*rows: dict[str, Any]) -> list[Served]:
    sync_catalog(config_of(*rows), now=NOW)
    return read()


def config_of(*rows: dict[str, Any]) -> Config:
    base = {"alias": "a", "provider": "openai", "api_key": "k", "price_input": 1, "price_output": 1}
    return Config.model_validate({"model_catalog": [base | row for row in rows]})


def read() -> list[Served]:
    snapshot = load_snapshot(Source(Config(), settings.SECRETS.encryption_key), 1, NOW)
    assert not snapshot.problems
    return [deployment for model in snapshot.models.values() for deployment in model.deployments]


def test_a_target_has_the_defaults_of_its_model_under_the_words_of_its_row():
    row = {"provider_model": "gpt-6-astra", "facts": {"thinking": "none", "effort": ["low"], "tools": False}}
    plain, own = served({"provider_model": "gpt-6-astra"}, row)
    assert plain.target.facts.thinking == "always"
    assert plain.target.facts.tools_need_responses
    assert plain.target.facts.vendor == "openai"
    assert plain.target.facts.max_output_tokens == 128_000
    assert (own.target.facts.thinking, own.target.facts.effort) == ("none", ("low",))
    assert own.target.facts.tools_need_responses, "what it does not state is known"
    assert not own.capabilities.tools
    assert plain.capabilities.tools


def test_a_model_that_is_known_not_to_see_gets_no_pictures_unless_the_row_says_that_it_does():
    rows: list[dict[str, Any]] = [
        {"provider_model": "o3-mini"},
        {"provider_model": "o3-mini", "modalities": ["text", "image"]},
    ]
    blind, seeing = served(*[row | {"alias": alias} for row, alias in zip(rows, ("a", "b"), strict=True)])
    assert blind.capabilities.modalities == frozenset({"text"})
    assert seeing.capabilities.modalities == frozenset({"text", "image"})
    assert seeing.target.facts.vision


def test_limits_come_from_the_facts_where_neither_row_nor_price_map_knows_them():
    own = {"provider": "openai-compatible", "endpoint": "http://127.0.0.1:9/v1", "provider_model": "mine"}
    facts = {"context_window": 4096, "max_output_tokens": 512, "json_schema": "none"}
    stated = served(own | {"facts": facts})[0]
    assert stated.capabilities.context_window == 4096
    assert stated.target.facts.max_output_tokens == 512
    assert not stated.capabilities.json_schema
    snapshot = load_snapshot(Source(Config(), settings.SECRETS.encryption_key), 1, NOW)
    assert snapshot.models["a"].context_window == 4096
    assert snapshot.models["a"].max_output_tokens == 512


def test_what_a_vendor_said_is_stored_with_an_audit_row_and_the_file_still_decides():
    row = {"provider_model": "gpt-4o", "facts": {"effort": ["low"]}}
    served(row)
    stored = Deployment.objects.get()
    found = {"effort": ["high"], "shutdown_date": "2027-01-14", "max_output_tokens": 9}
    assert store_found_facts(stored.pk, found, actor=at_the_shell())
    assert not store_found_facts(stored.pk, found, actor=at_the_shell()), "nothing new"
    assert AuditEvent.objects.filter(action="update").count() == 1
    facts = read()[0].target.facts
    assert facts.effort == ("low",), "the row's own words go first"
    assert (facts.shutdown_date, facts.max_output_tokens) == ("2027-01-14", 9)
    later = served(row | {"facts": {}})[0]
    assert later.target.facts.effort == ("high",), "the row still follows the file"


def test_no_facts_are_stored_that_no_row_may_have():
    served({"provider_model": "gpt-4o"})
    with pytest.raises(ValueError, match="Not known: wings"):
        store_found_facts(Deployment.objects.get().pk, {"wings": 2}, actor=at_the_shell())


def test_deployments_with_one_credential_at_one_place_are_of_one_account():
    rows: list[dict[str, Any]] = [
        {"alias": "a", "provider_model": "gpt-4o"},
        {"alias": "b", "provider_model": "gpt-4.1", "metadata": {"publisher": "openai"}},
        {"alias": "c", "provider_model": "gpt-4o", "api_key": "other"},
        {"alias": "d", "provider_model": "gpt-4o", "endpoint": "https://elsewhere.example/v1"},
        {"alias": "e", "provider_model": "gpt-4o", "metadata": {"openai_project": "p"}},
        {"alias": "f", "provider_model": "gpt-4o", "shadow_percent": 5},
    ]
    sync_catalog(config_of(*rows), now=NOW)
    models = load_snapshot(Source(Config(), settings.SECRETS.encryption_key), 1, NOW).models
    ids = {
        alias: next(each.target for each in (*model.deployments, *model.shadows))
        for alias, model in models.items()
    }
    assert ids["a"].same_account == {ids["b"].id, ids["f"].id}
    assert ids["b"].accepts_state_of(ids["a"].id)
    assert ids["f"].same_account == {ids["a"].id, ids["b"].id}
    for alone in "cde":
        assert ids[alone].same_account == set()
