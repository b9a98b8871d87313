"""The file's catalog in a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Credential, Deployment, Model, Price
from catalog.pricing.prices import PriceSheet
from catalog.services import remove_deployment, remove_model, set_price
from catalog.sync import sync_catalog
from gateway.config import Config
from tenants.audit import Actor
from tenants.config_version import config_version
from tests.support.clients.forms import api_key_of, metadata_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ALICE = Actor("alice@example.com")
ROW = {
    "alias": "gpt-4o",
    "provider": "openai",
    "provider_model": "gpt-4o-2024-08-06",
    "deployment": "east",
    "api_key": "sk-upstream-000000001234",
    "price_input": "0.0025",
    "price_output": "0.01",
}

pytestmark = pytest.mark.django_db(transaction=True)


def config(*rows, **changes) -> Config:
    return Config.model_validate({"model_catalog": [{**ROW, **changes}, *rows]})


def sync(*rows, now=NOW, update=False, **changes) -> bool:
    return sync_catalog(config(*rows, **changes), update=update, now=now)


def nothing(now=LATER) -> bool:
    return sync_catalog(Config(), now=now)


def deployment(name="east") -> Deployment:
    return Deployment.objects.select_related("credential", "model").get(name=name)


def test_a_row_becomes_a_model_a_deployment_a_credential_and_a_price():
    assert sync(context_window=128000, timeouts={"connect": "1s"})

    row = deployment()
    price = Price.objects.get()
    assert (row.model.alias, row.model.context_window, row.model.owned_by) == ("gpt-4o", 128000, "openai")
    assert (row.upstream_model, row.origin, row.enabled, row.timeouts["connect"]) == (
        "gpt-4o-2024-08-06",
        "file",
        True,
        1.0,
    )
    assert row.credential is not None
    assert api_key_of(row) == ROW["api_key"]
    assert (row.credential.hint, price.input, price.output, price.active_to) == (
        "1234",
        2_500_000_000,
        10_000_000_000,
        None,
    )


def test_a_second_run_changes_nothing():
    sync(metadata={"gcp_credentials_json": "hidden"}, pricing={"images": [{"size": "1x1", "price": 1}]})
    version = config_version()

    changed = sync(
        metadata={"gcp_credentials_json": "hidden"},
        pricing={"images": [{"size": "1x1", "price": 1}]},
        now=LATER,
    )

    assert not changed
    assert config_version() == version


def test_a_change_raises_the_version_once():
    before = config_version()

    sync({**ROW, "deployment": "west"})

    assert config_version() == before + 1


def test_rows_follow_the_file():
    sync()

    assert sync(weight=5, context_window=8192, api_key="sk-another-000000009999", now=LATER)

    row = deployment()
    assert row.credential is not None
    assert (row.weight, row.model.context_window, row.credential.hint) == (5, 8192, "9999")


def test_a_new_price_closes_the_one_before_it():
    sync()

    sync(price_input="0.005", now=LATER)

    old, new = Price.objects.order_by("active_from")
    assert (old.active_to, new.active_from, new.active_to) == (LATER, LATER, None)
    assert new.input == 5_000_000_000


def test_a_price_taken_out_of_the_file_ends():
    sync()

    sync(price_input=None, price_output=None, now=LATER)

    assert Price.objects.get().active_to == LATER


def test_an_administrators_edit_wins_over_the_file():
    sync()
    Deployment.objects.update(weight=7, edited=True)

    sync(weight=50, price_input="0.5", now=LATER)

    assert deployment().weight == 7
    assert Price.objects.get().input == 2_500_000_000


def test_an_administrators_price_wins_over_the_file():
    sync()
    set_price(deployment(), PriceSheet(input=1), source="admin", now=LATER)

    assert not sync(price_input="0.5", now=LATER + timedelta(hours=1))


def test_reset_to_file_overwrites_an_edit():
    sync()
    Deployment.objects.update(weight=7, edited=True)
    set_price(deployment(), PriceSheet(input=1), source="admin", now=LATER)

    sync(update=True, now=LATER + timedelta(hours=1))

    assert (deployment().weight, deployment().edited) == (100, False)
    assert Price.objects.get(active_to=None).input == 2_500_000_000


def test_a_row_gone_from_the_file_is_disabled_and_comes_back_with_it():
    sync()

    assert nothing()
    assert (deployment().enabled, Model.objects.get().enabled) == (False, False)

    sync()
    assert (deployment().enabled, Model.objects.get().enabled) == (True, True)


def test_an_edited_row_gone_from_the_file_stays():
    sync()
    Deployment.objects.update(edited=True)
    Model.objects.update(edited=True)

    assert not nothing()
    assert deployment().enabled


def test_a_removal_survives_the_next_start():
    sync({**ROW, "deployment": "west"})
    remove_deployment("gpt-4o", "east", actor=ALICE)

    assert not sync({**ROW, "deployment": "west"}, now=LATER)

    assert list(Deployment.objects.filter(removed=False).values_list("name", flat=True)) == ["west"]
    assert Credential.objects.count() == 1


def test_removing_a_model_removes_all_its_deployments_for_good():
    sync({**ROW, "deployment": "west"})

    assert remove_model("gpt-4o", actor=ALICE) == 2

    assert not sync({**ROW, "deployment": "west"}, now=LATER)
    assert Deployment.objects.filter(removed=False).count() == 0


def test_a_row_with_a_problem_is_stored_disabled_with_its_reason():
    plain = config(api_key="")
    row = plain.model_catalog[0].model_copy(update={"problem": "OPENAI_API_KEY is not set"})

    sync_catalog(plain.model_copy(update={"model_catalog": (row,)}), now=NOW)

    assert (deployment().enabled, deployment().problem) == (False, "OPENAI_API_KEY is not set")


def test_a_credential_sealed_with_another_key_is_sealed_anew():
    sync()
    Credential.objects.update(ciphertext="v1:other:AAAA:AAAA")

    assert sync(now=LATER)

    assert Credential.objects.count() == 1
    assert api_key_of(deployment()) == ROW["api_key"]


def test_secrets_in_metadata_are_not_stored_in_the_clear():
    sync(metadata={"aws_secret_access_key": "hidden", "gcp_project_id": "p1"})

    assert "hidden" not in str(deployment().metadata)
    assert metadata_of(deployment())["aws_secret_access_key"] == "hidden"


def test_an_administrators_own_row_is_left_alone():
    model = Model.objects.create(alias="mine")
    Deployment.objects.create(model=model, name="mine-1", provider="openai", upstream_model="x")

    sync({**ROW, "alias": "mine", "deployment": "mine-1"})

    assert deployment("mine-1").upstream_model == "x"


def test_fifty_rows_cost_a_few_statements_and_none_that_writes_when_nothing_changed():
    rows = [{**ROW, "alias": f"model-{n}", "deployment": f"d{n}"} for n in range(50)]
    with CaptureQueriesContext(connection) as first:
        assert sync(*rows)
    with CaptureQueriesContext(connection) as second:
        assert not sync(*rows)
    written = [each["sql"] for each in second if each["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert written == []
    assert len(first) <= len(rows) / 2  # 16 when this was written: they go in bulk
    assert len(second) <= 10  # 5
