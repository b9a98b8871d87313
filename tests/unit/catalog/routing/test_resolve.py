"""Alias to ordered deployments: pure, with loaded dice."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest

from catalog.pricing.prices import PriceSheet
from catalog.routing import resolve
from catalog.snapshot import Deployment, Model, Snapshot
from providers.target import Secret, Target
from tenants.caller import Caller
from tenants.errors import ModelNotAllowed

ALICE = Caller(key_id=1, key_prefix="alice", key_name="Alice", tenant_id=1, tenant="alice-co")


def deployment(name, priority=0, weight=100):
    target = Target(
        id=1,
        alias="chat",
        name=name,
        provider="openai",
        upstream_model="m",
        base_url="http://u",
        secret=Secret(""),
    )
    return Deployment(target=target, priority=priority, weight=weight, sheet=PriceSheet(input=1))


def snapshot(*deployments, **facts):
    return Snapshot(models={"chat": Model(alias="chat", deployments=deployments, **facts)})


def names(route):
    return [d.target.name for d in route.deployments]


def test_resolve_refuses_an_alias_that_does_not_exist():
    with pytest.raises(resolve.ModelNotFound):
        resolve.resolve(snapshot(), "nope", ALICE, model_type="llm")


@pytest.mark.parametrize("lists", [{"models": frozenset({"other"})}, {"tenant_models": frozenset()}])
def test_resolve_refuses_an_alias_that_key_or_tenant_may_not_use(lists):
    caller = msgspec.structs.replace(ALICE, **lists)

    with pytest.raises(ModelNotAllowed):
        resolve.resolve(snapshot(deployment("a")), "chat", caller, model_type="llm")


def test_resolve_refuses_an_alias_of_another_type():
    with pytest.raises(resolve.WrongModelType):
        resolve.resolve(snapshot(deployment("a")), "chat", ALICE, model_type="embedding")


def test_resolve_distinguishes_unpriced_from_unavailable():
    with pytest.raises(resolve.ModelUnpriced):
        resolve.resolve(snapshot(is_unpriced=True), "chat", ALICE, model_type="llm")
    with pytest.raises(resolve.NoDeployment):
        resolve.resolve(snapshot(), "chat", ALICE, model_type="llm")


def test_resolve_tries_lower_priority_numbers_first():
    catalog = snapshot(deployment("c", priority=2), deployment("a", priority=0), deployment("b", priority=1))

    assert names(resolve.resolve(catalog, "chat", ALICE, model_type="llm")) == ["a", "b", "c"]


def test_resolve_draws_by_weight_inside_a_priority():
    dice = Random(7).random
    catalog = snapshot(deployment("a", weight=75), deployment("b", weight=25), deployment("never", weight=0))

    first = Counter(
        names(resolve.resolve(catalog, "chat", ALICE, model_type="llm", dice=dice))[0] for _ in range(4000)
    )

    assert 2900 < first["a"] < 3100
    assert first["never"] == 0


def test_resolve_names_every_deployment_once():
    catalog = snapshot(*(deployment(str(i), weight=i) for i in range(5)))

    for seed in range(50):
        route = resolve.resolve(catalog, "chat", ALICE, model_type="llm", dice=Random(seed).random)
        assert sorted(names(route)) == ["0", "1", "2", "3", "4"]
