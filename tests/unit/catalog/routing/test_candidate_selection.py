"""Strategies, capabilities, hints, sticky keys, fallbacks and broken deployments: pure, with loaded dice."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.pricing.prices import PriceSheet
from catalog.routing import client_hints
from catalog.routing import resolve as routing
from catalog.routing.capabilities import Requirements, requirements_for
from catalog.routing.route import RouteRequest
from catalog.snapshot import Capabilities, Deployment, Snapshot
from providers.errors.exceptions import Unavailable, UpstreamStatus
from providers.resilience.circuit_breaker import Phase
from providers.resilience.health import DeploymentHealth
from providers.target import Secret
from tests.unit.catalog.routes import ALICE, Clock, begun, deployment, fails, known, model, names, resolve


def test_weights_are_kept_by_chi_square():
    weights = {"a": 50, "b": 30, "c": 15, "d": 5}
    chat = model(*(deployment(name, weight=weight) for name, weight in weights.items()))
    dice, calls = Random(11), 20_000
    snapshot = Snapshot(models={"chat": chat})
    first = Counter(
        names(routing.resolve(snapshot, "chat", ALICE, model_type="llm", dice=dice.random))[0]
        for _ in range(calls)
    )
    chi_square = sum((first[n] - calls * w / 100) ** 2 / (calls * w / 100) for n, w in weights.items())
    assert chi_square < 16.27  # 3 degrees of freedom, p = 0.001


def test_the_least_busy_goes_first_for_its_weight():
    a, b, c = deployment("a"), deployment("b"), deployment("c", weight=300)
    health = DeploymentHealth(clock=Clock())
    for each, calls in ((a, 2), (b, 1), (c, 3)):
        assert all(begun(health, each) for _ in range(calls))
    route = resolve(model(a, b, c, strategy="least_busy"), health=health)
    assert set(names(route)[:2]) == {"b", "c"}
    assert names(route)[2] == "a"


def test_the_quicker_of_two_goes_first_and_a_slow_one_is_tried_again_later():
    clock = Clock()
    slow, quick = deployment("slow"), deployment("quick")
    health = DeploymentHealth(clock=clock)
    for each, seconds in ((slow, 2.0), (quick, 0.1)):
        turn = begun(health, each)
        clock.now += seconds
        turn.record_success()
        turn.finish()
    chat = model(slow, quick, strategy="latency")
    assert {names(resolve(chat, health=health, seed=seed))[0] for seed in range(20)} == {"quick"}
    assert known(health, slow).latency(clock.now + 60) < 0.01


def test_the_cheapest_for_this_call_goes_first():
    flat = Deployment(
        target=deployment("flat").target, sheet=PriceSheet(input=0, output=0, request=1_000_000)
    )
    metered = deployment("metered", price=1_000)
    chat = model(flat, metered, strategy="cost")
    assert names(resolve(chat, request=RouteRequest(expected=(10, 10))))[0] == "metered"
    assert names(resolve(chat, request=RouteRequest(expected=(9_000, 9_000))))[0] == "flat"


def test_a_sticky_key_always_meets_the_same_deployment_and_only_its_own_move_when_one_goes():
    several = [deployment(name) for name in "abcd"]
    keys = [f"1:user-{number}" for number in range(200)]
    before = {key: names(resolve(model(*several), request=RouteRequest(sticky_key=key)))[0] for key in keys}
    after = {
        key: names(resolve(model(*several[:3]), request=RouteRequest(sticky_key=key)))[0] for key in keys
    }
    assert set(before.values()) == set("abcd")
    assert all(after[key] == before[key] for key in keys if before[key] != "d")


def test_incapable_deployments_are_skipped_and_the_parameter_is_named_if_none_is_left():
    blind = deployment("blind", can=Capabilities(modalities=frozenset({"text"})))
    seeing = deployment("seeing", can=Capabilities(modalities=frozenset({"text", "image"})))
    request = RouteRequest(requirements=Requirements(modalities=("image",)))
    route = resolve(model(blind, seeing), request=request)
    assert names(route) == ["seeing"]
    assert route.skipped[0].deployment == "blind"
    with pytest.raises(routing.ModelCannot) as refusal:
        resolve(model(blind), request=request)
    assert (refusal.value.code, refusal.value.param) == ("model_cannot", "messages")


@pytest.mark.parametrize(
    ("can", "need", "param", "code"),
    [
        (Capabilities(tools=False), Requirements(tools=True), "tools", "model_cannot"),
        (Capabilities(json_schema=False), Requirements(json_schema=True), "response_format", "model_cannot"),
        (
            Capabilities(context_window=10),
            Requirements(prompt_tokens=11),
            "messages",
            "context_length_exceeded",
        ),
        (
            Capabilities(modalities=frozenset({"text"})),
            Requirements(modalities=("image",), prompt_member="input"),
            "input",
            "model_cannot",
        ),
        (
            Capabilities(json_schema=False),
            Requirements(json_schema=True, schema_member="text.format"),
            "text.format",
            "model_cannot",
        ),
    ],
)
def test_every_missing_capability_names_its_parameter(can, need, param, code):
    with pytest.raises(routing.ModelCannot) as refusal:
        resolve(model(deployment("a", can=can)), request=RouteRequest(requirements=need))
    assert (refusal.value.param, refusal.value.code) == (param, code)


def test_features_are_checked_where_a_deployment_lacks_one():
    asked = Requirements(modalities=("image",), tools=True, json_schema=True)
    able, unable = model(deployment("a")), model(deployment("b", can=Capabilities(tools=False)))
    assert requirements_for(asked, 100, [able], None) == Requirements()
    assert requirements_for(asked, 100, [able, unable], None) == asked
    blind = model(deployment("c", can=Capabilities(modalities=frozenset({"text"}))))
    plain, tooled = Requirements(), Requirements(tools=True)
    assert requirements_for(plain, 100, [blind, unable], None) == Requirements()
    assert requirements_for(tooled, 100, [blind], None) == Requirements(), "what all have is not checked"
    assert requirements_for(asked, 100, [blind], None) == asked


def test_hints_choose_among_the_alias_own_deployments():
    chat = model(deployment("a"), deployment("b"), deployment("c"))
    for header, expected in (("only=a|b", {"a", "b"}), ("avoid=a", {"b", "c"}), ("only=a|b,avoid=b", {"a"})):
        assert (
            set(names(resolve(chat, request=RouteRequest(hints=client_hints.parse(header, chat)))))
            == expected
        )
    assert client_hints.parse("", chat) is None


@pytest.mark.parametrize(
    "header", ["only=x", "sort=luck", "only", "only=a,only=b", "only=a,avoid=a", "=", "a" * 2000]
)
def test_a_hint_that_cannot_be_followed_is_refused(header):
    with pytest.raises(client_hints.BadHint):
        client_hints.parse(header, model(deployment("a"), deployment("b")))


def test_fallbacks_come_last_and_only_to_allowed_aliases():
    chat = model(deployment("a"), fallbacks={"unavailable": ("other", "secret", "gone")})
    other = model(deployment("o", alias="other", price=7), alias="other", max_output_tokens=9)
    secret = model(deployment("s", alias="secret"), alias="secret")
    caller = msgspec.structs.replace(ALICE, models=frozenset({"chat", "other"}))
    route = resolve(chat, other, secret, caller=caller)
    assert names(route) == ["a", "o"]
    assert {sheet.input for sheet in route.sheets} == {1, 7}
    assert route.max_output_tokens is None  # one of the two is not known


def test_a_prompt_too_long_for_the_alias_goes_to_its_longer_one():
    chat = model(deployment("a"), context_window=10, fallbacks={"context_window": ("long",)})
    long = model(deployment("l", alias="long"), alias="long", context_window=1000)
    route = resolve(chat, long, request=RouteRequest(requirements=Requirements(prompt_tokens=50)))
    assert (names(route), route.reason) == (["l"], "context_window")
    with pytest.raises(routing.ModelCannot):
        resolve(chat, long, request=RouteRequest(requirements=Requirements(prompt_tokens=5000)))


def test_a_broken_deployment_is_left_out_and_all_broken_ones_are_tried_in_panic():
    a, b = deployment("a"), deployment("b", priority=1)
    health = DeploymentHealth(clock=Clock(), dice=lambda: 0.5)
    fails(health, a)
    assert names(resolve(model(a, b), health=health)) == ["b"]
    fails(health, b)
    route = resolve(model(a, b), health=health)
    assert (route.is_panic, set(names(route))) == (True, {"a", "b"})


def test_sticky_values_come_back_one_by_one_and_each_only_once():
    a, b = deployment("a"), deployment("b")
    chat = model(a, b)
    clock = Clock()
    health = DeploymentHealth(clock=clock, dice=lambda: 0.5)
    users = [f"u{number}" for number in range(200)]

    def at_home(seed: int) -> set[str]:
        asked = {
            u: resolve(chat, health=health, seed=seed, request=RouteRequest(sticky_key=u)) for u in users
        }
        return {user for user, route in asked.items() if names(route)[0] == "a"}

    home = at_home(0)
    fails(health, a)
    assert not at_home(1)
    clock.now += 60.0
    for _ in range(3):
        turn = begun(health, a)
        turn.record_success()
        turn.finish()
        turn.release()
    sizes: list[int] = []
    before: set[str] = set()
    for second in range(12):
        back = at_home(second)
        assert before <= back <= home, "who is back stays, whatever the dice say"
        sizes.append(len(back))
        before = back
        clock.now += 1.0
    assert sizes[0] < sizes[4] < sizes[-1] == len(home)


def test_when_every_deployment_is_resting_the_error_has_the_earliest_retry():
    a = deployment("a")
    health = DeploymentHealth(clock=Clock(), dice=lambda: 0.0)
    turn = begun(health, a)
    turn.record_failure(UpstreamStatus(429, b"", retry_after_s=30.0))
    turn.release()
    with pytest.raises(Unavailable) as refusal:
        resolve(model(a), health=health)
    assert (refusal.value.code, refusal.value.answer_status, refusal.value.retry_after_s) == (
        "upstream_rate_limited",
        429,
        30.0,
    )


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_a_clients_own_errors_never_open_a_breaker(status):
    a = deployment("a")
    health = DeploymentHealth(clock=Clock())
    for _ in range(100):
        turn = begun(health, a)
        turn.record_failure(UpstreamStatus(status, b""))
        turn.release()
    assert known(health, a).breaker.phase is Phase.CLOSED


@given(size=st.integers(2, 7), data=st.data(), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_never_more_than_half_of_a_tier_is_ejected_while_one_of_it_works(size, data, seed):
    tier = [deployment(str(number)) for number in range(size)]
    broken = data.draw(st.sets(st.sampled_from(range(size)), max_size=size - 1))
    health = DeploymentHealth(clock=Clock(), dice=Random(seed).random)
    fails(health, *(tier[number] for number in broken))
    assert len(names(resolve(model(*tier), health=health, seed=seed))) >= size - size // 2


def test_changed_deployment_starts_with_fresh_health():
    a = deployment("a")
    health = DeploymentHealth(clock=Clock())
    fails(health, a)
    health.update_targets([msgspec.structs.replace(a.target, secret=Secret("new"))])
    assert known(health, a).breaker.is_unrestricted
    health.update_targets([])
    assert health.get(a.target.id) is None
