"""Catalogs in a line or two, and deployments that fail: for the tests of routing, which are pure."""

from __future__ import annotations

from itertools import count
from random import Random

from catalog.pricing.prices import PriceSheet
from catalog.routing import resolve as routing
from catalog.snapshot import Capabilities, Deployment, Model, Snapshot
from providers.errors.exceptions import UpstreamFailed
from providers.target import Secret, Target
from tenants.caller import Caller

ALICE = Caller(key_id=1, key_prefix="alice", key_name="Alice", tenant_id=1, tenant="alice-co")
IDS = count(1)


def deployment(name, *, alias="chat", can=None, price=1, **facts):
    target = Target(
        id=next(IDS),
        alias=alias,
        name=name,
        provider="openai",
        upstream_model="m",
        base_url="http://u",
        secret=Secret(""),
    )
    return Deployment(
        target=target,
        sheet=PriceSheet(input=price, output=price),
        capabilities=can or Capabilities(),
        **facts,
    )


def model(*deployments, alias="chat", **facts):
    return Model(alias=alias, deployments=deployments, **facts)


def resolve(*models, caller=ALICE, seed=1, **more):
    snapshot = Snapshot(models={m.alias: m for m in models})
    return routing.resolve(snapshot, "chat", caller, model_type="llm", dice=Random(seed).random, **more)


def names(route):
    return [d.target.name for d in route.deployments]


def begun(health, deployment):
    turn = health.start(deployment.target)
    assert turn is not None
    return turn


def known(health, deployment):
    entry = health.get(deployment.target.id)
    assert entry is not None
    return entry


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def fails(health, *deployments, times=5):
    for each in deployments:
        for _ in range(times):
            turn = begun(health, each)
            turn.record_failure(UpstreamFailed("status 500"))
            turn.release()
