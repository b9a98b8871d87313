"""What a provider's account made is asked of that account again."""

from __future__ import annotations

import msgspec
import pytest

from catalog.routing.route import Pin, RouteRequest, StateOwnerUnavailable
from providers.resilience.health import DeploymentHealth
from tests.unit.catalog.routes import Clock, deployment, fails, model, names, resolve


def pinned(owner, *, is_required=False):
    because = "previous_response_id" if is_required else "the thinking in its history"
    return RouteRequest(pin=Pin(owner.target.id, because, is_required))


def same_account(first, *others):
    """Return the deployments with each other's ids."""
    ids = frozenset(each.target.id for each in (first, *others))
    return [
        msgspec.structs.replace(each, target=msgspec.structs.replace(each.target, same_account=ids))
        for each in (first, *others)
    ]


def test_thinking_prefers_the_account_that_made_it_across_priorities():
    a, b, c = deployment("a"), deployment("b"), deployment("c", priority=1)
    for owner in (a, b, c):
        for seed in range(5):
            route = resolve(model(a, b, c), request=pinned(owner), seed=seed)
            assert names(route)[0] == owner.target.name
            assert len(route.deployments) == 3
            assert route.pinned == "the thinking in its history"


def test_thinking_of_several_prefers_the_latest_that_the_model_has():
    a, b, c, gone = deployment("a"), deployment("b"), deployment("c"), deployment("gone")
    for seed in range(5):
        pin = Pin(gone.target.id, "thinking", others=(b.target.id, a.target.id))
        route = resolve(model(a, b, c), request=RouteRequest(pin=pin), seed=seed)
        assert names(route) == ["b", "a", "c"]
        assert route.pinned == "thinking"


def test_thinking_goes_elsewhere_while_its_account_fails():
    clock = Clock()
    a, b = deployment("a"), deployment("b")
    health = DeploymentHealth(clock=clock)
    fails(health, a)
    route = resolve(model(a, b), request=pinned(a), health=health)
    assert names(route)[0] == "b"
    assert route.pinned == ""


def test_state_goes_to_its_account_and_to_no_other():
    a, b = deployment("a"), deployment("b")
    route = resolve(model(a, b, fallbacks={"unavailable": ("spare",)}), request=pinned(b, is_required=True))
    assert names(route) == ["b"]
    assert [(each.deployment, each.why) for each in route.skipped] == [
        ("a", "another account made what 'previous_response_id' names")
    ]


def test_state_may_go_to_another_deployment_of_its_account():
    gone, here = same_account(deployment("gone"), deployment("here"))
    route = resolve(model(deployment("other"), here), request=pinned(gone, is_required=True))
    assert names(route) == ["here"]


def test_state_whose_account_is_gone_is_refused_by_the_members_name():
    with pytest.raises(StateOwnerUnavailable) as refused:
        resolve(model(deployment("a")), request=pinned(deployment("gone"), is_required=True))
    assert refused.value.param == "previous_response_id"
    assert [each.deployment for each in refused.value.passed_over] == ["a"]
