"""What the database refuses of the catalog, and the verbs that write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from catalog.models import Credential, Deployment, Model, Price
from catalog.pricing.prices import ImageRate, PriceSheet
from catalog.services import (
    GivenSecrets,
    KeyNeeded,
    NewDeployment,
    add_price,
    columns_of,
    remove_model,
    removed_deployment,
    removed_model,
    save_deployment,
    save_model,
    seal_secrets,
    set_price,
    upsert_deployment,
)
from tenants.audit import Actor
from tenants.models import AuditEvent
from tests.support.clients.forms import KEY, api_key_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALICE = Actor("alice@example.com")
pytestmark = pytest.mark.django_db


def upsert(**changes) -> Deployment:
    plain = {"alias": "gpt-4o", "name": "east", "provider": "openai", "upstream_model": "gpt-4o"}
    return upsert_deployment(NewDeployment(**(plain | changes)), key=KEY, actor=ALICE)


def test_upsert_creates_the_alias_with_its_first_deployment():
    row = upsert(api_key="sk-upstream-1234567", model={"context_window": 8192})

    stored = Deployment.objects.select_related("model", "credential").get(pk=row.pk)
    assert stored.credential is not None
    assert (stored.model.alias, stored.model.context_window, stored.origin) == ("gpt-4o", 8192, "admin")
    assert api_key_of(stored) == "sk-upstream-1234567"


def test_a_missing_key_field_keeps_the_key_and_an_empty_one_removes_it():
    upsert(api_key="sk-upstream-1234567")

    assert upsert(weight=5).credential is not None
    assert upsert(api_key="").credential is None


def test_the_same_alias_and_name_is_the_same_row():
    assert upsert().pk == upsert(weight=5).pk
    assert Deployment.objects.get().weight == 5


def test_a_removed_row_comes_back_when_it_is_put_again():
    upsert()
    remove_model("gpt-4o", actor=ALICE)

    upsert()

    assert (Model.objects.get().removed, Deployment.objects.get().removed) == (False, False)


def test_no_secret_is_in_the_audit_trail():
    upsert(api_key="sk-upstream-1234567", metadata={"aws_secret_access_key": "treasure"})

    told = str(list(AuditEvent.objects.values()))
    assert "sk-upstream" not in told
    assert "treasure" not in told
    assert Credential.objects.get().ciphertext not in told


def test_prices_follow_each_other_without_gap_or_overlap():
    row = upsert()
    for hour in range(3):
        set_price(row, PriceSheet(input=hour), source="admin", now=NOW + timedelta(hours=hour))

    rows = list(Price.objects.order_by("active_from"))
    assert [price.active_to for price in rows] == [rows[1].active_from, rows[2].active_from, None]


def test_two_prices_in_one_instant_or_with_a_clock_set_back_still_follow_each_other():
    row = upsert()
    set_price(row, PriceSheet(input=1), source="admin", now=NOW)
    set_price(row, PriceSheet(input=2), source="admin", now=NOW)
    set_price(row, PriceSheet(input=3), source="admin", now=NOW - timedelta(hours=1))

    assert [price.input for price in Price.objects.order_by("active_from")] == [1, 2, 3]
    assert Price.objects.filter(active_to=None).count() == 1


def test_a_sheet_survives_the_database():
    sheet = PriceSheet(input=1, reasoning=2, image=3, images=(ImageRate(4, "1024x1024", "high"),))

    price = set_price(upsert(), sheet, source="config", now=NOW)

    stored = Price.objects.get(pk=price.pk)
    assert {name: getattr(stored, name) for name in columns_of(sheet)} == columns_of(sheet)


@pytest.mark.parametrize(
    "columns",
    [
        {"input": -1},
        {"image": -1},
        {"source": "moon"},
        {"active_to": NOW},
        {"active_to": NOW - timedelta(seconds=1)},
    ],
)
def test_the_database_refuses_an_impossible_price(columns):
    row = upsert()

    with pytest.raises(IntegrityError), transaction.atomic():
        Price.objects.create(deployment=row, active_from=NOW, **columns)


def test_the_database_refuses_a_second_open_price():
    row = upsert()
    Price.objects.create(deployment=row, active_from=NOW, input=1)

    with pytest.raises(IntegrityError), transaction.atomic():
        Price.objects.create(deployment=row, active_from=NOW + timedelta(hours=1), input=1)


@pytest.mark.parametrize(
    "columns", [{"name": ""}, {"provider": "moon"}, {"weight": -1}, {"priority": -1}, {"name": "east"}]
)
def test_the_database_refuses_an_impossible_deployment(columns):
    row = upsert()
    plain = {"model": row.model, "name": "west", "provider": "openai", "upstream_model": "x"}

    with pytest.raises(IntegrityError), transaction.atomic():
        Deployment.objects.create(**(plain | columns))


@pytest.mark.parametrize(
    "columns", [{"alias": ""}, {"model_type": "moon"}, {"context_window": 0}, {"strategy": "luck"}]
)
def test_the_database_refuses_an_impossible_model(columns):
    with pytest.raises(IntegrityError), transaction.atomic():
        Model.objects.create(**({"alias": "x"} | columns))


def test_the_first_deployment_of_an_alias_creates_both_in_the_audit_trail():
    upsert()
    upsert(weight=5)
    upsert(model={"context_window": 8192})

    trail = list(AuditEvent.objects.order_by("pk").values_list("action", "resource"))
    assert trail == [
        ("create", "model"),
        ("create", "deployment"),
        ("update", "deployment"),
        ("update", "model"),
        ("update", "deployment"),
    ]


def test_a_price_that_states_nothing_is_refused():
    price = Price(deployment=upsert(), input=0)

    with pytest.raises(ValueError, match="free"):
        add_price(price, actor=ALICE)

    price.free = True
    add_price(price, actor=ALICE)
    assert (price.source, price.active_to) == ("admin", None)


def test_a_new_price_ends_the_one_before_it_and_is_one_audit_row():
    row = upsert()
    for rate in (1, 2, 3):
        add_price(Price(deployment=row, input=rate), actor=ALICE)

    first, second, third = Price.objects.order_by("active_from")
    assert (first.active_to, second.active_to, third.active_to) == (
        second.active_from,
        third.active_from,
        None,
    )
    assert AuditEvent.objects.filter(action="create", resource="price").count() == 3
    assert AuditEvent.objects.filter(resource="price").count() == 3


def test_secrets_for_one_origin_are_not_saved_with_another():
    row = upsert(api_key="sk-upstream-1234567")
    secrets = seal_secrets(row, GivenSecrets(), provider="openai", endpoint="", key=KEY)
    row.endpoint = "https://elsewhere.example.com/v1"

    with pytest.raises(ValueError, match="another origin"):
        save_deployment(row, secrets=secrets, actor=ALICE)

    assert Deployment.objects.get().endpoint == ""


def test_refused_secrets_are_not_saved():
    row = upsert(api_key="sk-upstream-1234567", metadata={"aws_secret_access_key": "treasure"})
    kept = GivenSecrets(metadata={"aws_secret_access_key": None, "region": "eu"})
    elsewhere = "https://elsewhere.example.com/v1"

    secrets = seal_secrets(row, kept, provider="openai", endpoint=elsewhere, key=KEY)
    row.endpoint = elsewhere

    assert secrets.refused.keys() == {"api_key", "aws_secret_access_key"}
    with pytest.raises(KeyNeeded):
        save_deployment(row, secrets=secrets, actor=ALICE)
    assert Deployment.objects.get().endpoint == ""


def test_a_removed_row_is_found_again_by_its_name_and_saving_restores_it():
    row = upsert()
    remove_model("gpt-4o", actor=ALICE)
    model, tombstone = removed_model("gpt-4o"), removed_deployment(row.model_id, "east")
    assert model is not None
    assert tombstone is not None

    save_model(model, actor=ALICE)
    secrets = seal_secrets(tombstone, GivenSecrets(), provider="openai", endpoint="", key=KEY)
    save_deployment(tombstone, secrets=secrets, actor=ALICE)

    assert (removed_model("gpt-4o"), removed_deployment(row.model_id, "east")) == (None, None)
    assert (Model.objects.get().edited, Deployment.objects.get().edited) == (True, True)
