"""The facts of a decision: stored small and cheap, and read back as they were."""

from __future__ import annotations

import sys

import orjson

from budgets.admission.interface import (
    BudgetRule,
    BudgetStatus,
    Grant,
    Limits,
    LimitStatus,
    RateLimitStatus,
    ScopeRules,
)
from budgets.admission.reserve import Reservation
from catalog.pricing.prices import PriceSheet
from catalog.routing import route as routes
from catalog.routing.resolve import Route
from catalog.snapshot import CatalogProblem, Deployment, Model
from metering.decision import BudgetSeen, LimitSeen, Skipped, decision_trace, document, read
from providers.target import Secret, Target
from providers.tokens.amounts import Estimate
from providers.upstream import Attempt

RULES = (
    ScopeRules("key:7", Limits(60, 60_000, 5), (BudgetRule(10_000_000_000),)),
    ScopeRules("tenant:3", Limits(600, None, 50)),
)
STANDING = LimitStatus(
    RateLimitStatus(60, 59, 1000, 60_000, 59_000, 1000),
    BudgetStatus("key:7", "calendar_month", 10_000_000_000, 2_000, 3_000, 1_764_547_200.0),
)
HELD = Reservation(
    Grant("r1", 1_763_800_000.0, STANDING),
    3_000,
    Estimate(12),
    sent_cap=256,
    is_cap_ours=True,
    is_clamped=True,
    is_counted=True,
)
ATTEMPTS = [
    Attempt("openai", "gpt-4o-eastus", "upstream_error", 503, 12.5),
    Attempt("azure", "gpt-4o-west", "ok", 200, 412.125),
]


def deployment(name: str, price_id: int, alias: str = "gpt-4o") -> Deployment:
    target = Target(
        id=price_id,
        alias=alias,
        name=name,
        provider="openai",
        upstream_model="gpt-4o",
        base_url="http://h/v1",
        secret=Secret(""),
    )
    return Deployment(target=target, sheet=PriceSheet(id=price_id))


ROUTE = Route(Model(alias="gpt-4o"), (deployment("gpt-4o-eastus", 4), deployment("gpt-4o-west", 5)))
PROBLEMS = (
    CatalogProblem("gpt-4o", "gpt-4o-old", "the credential is unreadable"),
    CatalogProblem("x", "x-1", "no endpoint"),
)


def test_decision_keeps_what_routing_and_admission_decided():
    decision = read(
        orjson.loads(orjson.dumps(document(decision_trace(ROUTE, RULES, HELD, PROBLEMS), ATTEMPTS)))
    )
    trace = decision.trace
    assert trace is not None
    assert (trace.order, trace.price_ids) == (("gpt-4o-eastus", "gpt-4o-west"), (4, 5))
    assert trace.skipped == (Skipped("gpt-4o-old", "the credential is unreadable"),)
    assert trace.limits == (
        LimitSeen("key:7", "parallel", 5),
        LimitSeen("key:7", "requests", 60),
        LimitSeen("key:7", "tokens", 60_000),
        LimitSeen("tenant:3", "parallel", 50),
        LimitSeen("tenant:3", "requests", 600),
    )
    assert (trace.requests, trace.tokens) == ((60, 59), (60_000, 59_000))
    assert trace.budget == BudgetSeen(
        "key:7", "calendar_month", 10_000_000_000, 2_000, 3_000, 1_764_547_200.0
    )
    assert (trace.hold_nanousd, trace.prompt, trace.cap, trace.clamped, trace.counted) == (
        3_000,
        12,
        256,
        True,
        True,
    )
    assert decision.attempts == tuple(ATTEMPTS)


def test_decision_names_the_fallback_models_and_the_skipped_deployments():
    mini = deployment("mini-1", 9, alias="mini")
    route = Route(
        Model(alias="gpt-4o"),
        (*ROUTE.deployments, mini),
        fallbacks_by_reason={"unavailable": (mini,), "content_filter": (mini,)},
        skipped=(
            routes.Skipped("gpt-4o", "gpt-4o-north", "it failed: upstream_timeout"),
            routes.Skipped("o9", "", "this key may not use it"),
        ),
        is_panic=True,
    )
    trace = read(document(decision_trace(route, RULES, HELD), ())).trace
    assert trace is not None
    assert trace.order == ("gpt-4o-eastus", "gpt-4o-west", "mini-1")
    assert trace.others == ("mini",)
    assert trace.instead == {"content_filter": ("mini-1 of mini",)}
    assert trace.skipped == (
        Skipped("gpt-4o-north", "it failed: upstream_timeout"),
        Skipped("o9", "this key may not use it"),
    )
    assert trace.panic


def test_a_row_of_an_older_release_has_attempts_only():
    decision = read(document(None, ATTEMPTS))
    assert decision.trace is None
    assert decision.attempts == tuple(ATTEMPTS)


def test_a_decision_of_a_later_release_is_read_as_far_as_it_is_known():
    stored = [{"is": "weather", "sun": True}, *document(decision_trace(ROUTE, RULES, HELD), ATTEMPTS)]
    stored[1]["mood"] = "fine"
    assert read(stored).attempts == tuple(ATTEMPTS)


def test_decision_is_small():
    assert len(orjson.dumps(document(decision_trace(ROUTE, RULES, HELD), ATTEMPTS))) <= 600


def test_decision_costs_a_call_microseconds():
    """Some 10 us on the machine of docs/performance.md: counted in functions that are called."""
    called = []
    document(decision_trace(ROUTE, RULES, HELD), ())  # what is done once only
    sys.setprofile(lambda _frame, event, what: called.append(what) if event.endswith("call") else None)
    try:
        document(decision_trace(ROUTE, RULES, HELD), ())
    finally:
        sys.setprofile(None)
    assert len(called) <= 30  # 18 when this was written
