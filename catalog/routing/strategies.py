"""The order inside a priority: weighted, least_busy, latency or cost; and the sticky order. Pure; dice passed in.

Each takes a tier of two or more and returns all of it, best first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b

import msgspec

from catalog.pricing.prices import PriceSheet
from catalog.snapshot import Deployment
from providers.resilience.health import DeploymentHealth

Tier = list[Deployment]


class StrategyContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a choice may depend on. `expected` is the tokens in and out that a call probably takes."""

    health: DeploymentHealth
    now: float
    dice: Callable[[], float]
    expected: tuple[int, int] = (0, 0)
    sticky_key: str = ""


def arrange(strategy: str, tier: Tier, context: StrategyContext) -> Tier:
    """Return the tier in the order of its strategy, or of its sticky key where there is one."""
    if len(tier) == 1:
        return tier
    if context.sticky_key:
        return _sticky(tier, context.sticky_key)
    return _STRATEGIES[strategy](tier, context)


def weighted(tier: Tier, context: StrategyContext) -> Tier:
    """Draw without replacement, each with a chance of its weight's share; weight 0 only when the rest is drawn."""
    dice = context.dice
    left, drawn = list(tier), []
    while len(left) > 1:
        point = dice() * sum(d.weight for d in left)
        for index, deployment in enumerate(left):  # noqa: B007 - the loop's last index is used
            point -= deployment.weight
            if point < 0:
                break
        drawn.append(left.pop(index))
    return drawn + left


def least_busy(tier: Tier, context: StrategyContext) -> Tier:
    """Fewest calls in flight for its weight first; ties by a weighted draw."""
    health = context.health

    def load(deployment: Deployment) -> float:
        entry = health.get(deployment.target.id)
        if not deployment.weight:
            return math.inf
        return (entry.in_flight if entry is not None else 0) / deployment.weight

    return sorted(weighted(tier, context), key=load)


def latency(tier: Tier, context: StrategyContext) -> Tier:
    """Power of two choices: of two drawn by weight, the one with the shorter expected wait goes first."""
    first, second, *others = weighted(tier, context)
    if _wait(second, context) < _wait(first, context) and second.weight:
        first, second = second, first
    others = sorted([second, *others], key=lambda deployment: _wait(deployment, context))
    return [first, *others]


def cost(tier: Tier, context: StrategyContext) -> Tier:
    """The cheapest for what this call probably takes; ties by a weighted draw."""
    tokens_in, tokens_out = context.expected
    return sorted(weighted(tier, context), key=lambda d: expected_cost(d.sheet, tokens_in, tokens_out))


def expected_cost(sheet: PriceSheet, tokens_in: int, tokens_out: int) -> int:
    """Return what such a call would cost, in nano-USD times a million: only for comparison."""
    if sheet.free:
        return 0
    return tokens_in * (sheet.input or 0) + tokens_out * (sheet.output or 0) + (sheet.request or 0)


def _wait(deployment: Deployment, context: StrategyContext) -> float:
    """Peak-EWMA of the time to the first content, times the queue of a new call; unmeasured ones come first."""
    entry = context.health.get(deployment.target.id)
    return entry.latency(context.now) * (entry.in_flight + 1) if entry is not None else 0.0


def _sticky(tier: Sequence[Deployment], key: str) -> Tier:
    """Weighted rendezvous hashing: the same key gets the same deployment, whichever others come or go."""

    def score(deployment: Deployment) -> float:
        point = _point(f"{key}\n{deployment.target.name}")
        return -math.log(point) / deployment.weight if deployment.weight else math.inf

    return sorted(tier, key=score)


def draw(key: str, deployment: Deployment) -> float:
    """Return a number from 0 to 1 that a sticky value always draws for a deployment, whatever its rank for it."""
    return _point(f"{key}\n{deployment.target.name}\nlot")


def _point(text: str) -> float:
    return (int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) + 1) / (2**64 + 1)


_STRATEGIES: dict[str, Callable[[Tier, StrategyContext], Tier]] = {
    "weighted": weighted,
    "least_busy": least_busy,
    "latency": latency,
    "cost": cost,
}
