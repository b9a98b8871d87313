"""Why a call was routed and admitted as it was: raw facts of its admission, stored before the attempts in the ledger.

metering/explain/story.py makes sentences of them later. About 3 us a call, 400 bytes of JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from providers.upstream import Attempt

if TYPE_CHECKING:
    from budgets.admission.interface import Limits, ScopeRules
    from budgets.admission.reserve import Reservation
    from catalog.routing.resolve import Route
    from catalog.snapshot import CatalogProblem

LONGEST_REASON = 120
MOST_REMEMBERED = 2_000  # callers


class LimitSeen(msgspec.Struct, frozen=True, array_like=True):
    """A limit that was in force: scope as "key:7"; rule as in admission (requests | tokens | parallel)."""

    scope: str
    rule: str
    limit: int


_seen: dict[int, tuple[Iterable[ScopeRules], tuple[LimitSeen, ...]]] = {}


class BudgetSeen(msgspec.Struct, frozen=True, array_like=True):
    """The budget with the least left, right after this call's hold was taken."""

    scope: str
    schedule: str
    limit_nanousd: int
    spent_nanousd: int
    held_nanousd: int
    resets_at: float
    unsettled_nanousd: int = 0


class Skipped(msgspec.Struct, frozen=True, array_like=True):
    """A deployment that was not a candidate, and why."""

    deployment: str
    reason: str


class DecisionTrace(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="trace", tag_field="is"
):
    """What routing and admission decided. Pairs are (limit, left after this call) of the scope with the least left."""

    order: tuple[str, ...]  # deployments, best first
    others: tuple[str, ...] = ()  # the aliases of the last of them, where that is not the requested alias
    reason: str = ""  # why no deployment of the alias itself was a candidate
    price_ids: tuple[int, ...] = ()  # of the deployments in `order`
    strategy: str = "weighted"
    arm: str = ""  # of the alias's experiment
    pinned: str = ""  # the request's member that decided the first deployment
    skipped: tuple[Skipped, ...] = ()
    instead: dict[str, tuple[str, ...]] = {}  # fallbacks, by the refusal that leads to them
    panic: bool = False  # all of them were resting after failures, and were tried anyway
    prompt: int = 0  # tokens, counted or estimated
    counted: bool = False  # the hold was made for a counted prompt, not for its bytes
    counted_by_provider: bool = False  # by a provider that the call may reach
    hold_nanousd: int = 0
    cap: int | None = None  # output tokens per choice, where the gateway set it
    clamped: bool = False
    limits: tuple[LimitSeen, ...] = ()
    requests: tuple[int, int] | None = None
    tokens: tuple[int, int] | None = None
    budget: BudgetSeen | None = None


def decision_trace(
    route: Route, rules: Iterable[ScopeRules], held: Reservation, problems: Sequence[CatalogProblem] = ()
) -> DecisionTrace:
    """Return the facts of a call that was just granted."""
    rate, budget = held.grant.limit_status.rate, held.grant.limit_status.budget
    deployments, alias = route.deployments, route.model.alias
    return DecisionTrace(
        order=tuple([deployment.target.name for deployment in deployments]),
        others=tuple([each.target.alias for each in deployments if each.target.alias != alias]),
        price_ids=tuple([deployment.sheet.id for deployment in deployments]),
        strategy=route.model.strategy,
        arm=route.arm,
        pinned=route.pinned,
        reason=route.reason if deployments[0].target.alias != alias else "",
        skipped=_skipped(route, problems) if route.skipped or problems else (),
        instead=_instead(route) if route.fallbacks_by_reason else {},
        panic=route.is_panic,
        prompt=held.prompt.tokens,
        counted=held.is_counted,
        counted_by_provider=held.is_providers_count,
        hold_nanousd=held.hold_nanousd,
        cap=held.output_cap,
        clamped=held.is_clamped,
        limits=_all_seen(rules),
        requests=_pair(rate.limit_requests, rate.remaining_requests) if rate is not None else None,
        tokens=_pair(rate.limit_tokens, rate.remaining_tokens) if rate is not None else None,
        budget=None
        if budget is None
        else BudgetSeen(
            budget.scope,
            budget.schedule,
            budget.limit_nanousd,
            budget.spent_nanousd,
            budget.held_nanousd,
            budget.resets_at,
            budget.unsettled_nanousd,
        ),
    )


def _all_seen(rules: Iterable[ScopeRules]) -> tuple[LimitSeen, ...]:
    """Return the limits of all scopes, cached: the rules of a caller are one object until they are edited."""
    known = _seen.get(id(rules))
    if known is not None and known[0] is rules:
        return known[1]
    seen = tuple([seen for each in rules for seen in limits_seen(each.scope, each.limits)])
    if len(_seen) >= MOST_REMEMBERED:
        _seen.clear()
    _seen[id(rules)] = (rules, seen)  # it keeps the object alive, so that no other one gets its id
    return seen


def limits_seen(scope: str, limits: Limits) -> list[LimitSeen]:
    """Return the limits that are set, in the order in which admission looks at them."""
    seen = []
    if limits.parallel_requests is not None:
        seen.append(LimitSeen(scope, "parallel", limits.parallel_requests))
    if limits.requests_per_minute is not None:
        seen.append(LimitSeen(scope, "requests", limits.requests_per_minute))
    if limits.tokens_per_minute is not None:
        seen.append(LimitSeen(scope, "tokens", limits.tokens_per_minute))
    return seen


def skipped_rows(alias: str, problems: Iterable[CatalogProblem]) -> tuple[Skipped, ...]:
    """Return the catalog rows of an alias that are disabled by a problem."""
    return tuple(
        [Skipped(row.deployment, row.reason[:LONGEST_REASON]) for row in problems if row.alias == alias]
    )


def _skipped(route: Route, problems: Sequence[CatalogProblem]) -> tuple[Skipped, ...]:
    alias = route.model.alias
    passed_over = [Skipped(_name(alias, each.alias, each.deployment), each.why) for each in route.skipped]
    return (*passed_over, *skipped_rows(alias, problems))


def _instead(route: Route) -> dict[str, tuple[str, ...]]:
    """Leave out the fallbacks for `unavailable`: they are in the order already."""
    return {
        reason: tuple([_name(route.model.alias, each.target.alias, each.target.name) for each in several])
        for reason, several in route.fallbacks_by_reason.items()
        if several and reason != "unavailable"
    }


def _name(requested: str, alias: str, name: str) -> str:
    if alias == requested:
        return name
    return f"{name} of {alias}" if name else alias


def document(
    trace: DecisionTrace | None, attempts: Iterable[Attempt], requested: str = ""
) -> list[dict[str, Any]]:
    """Return the decision as it is stored: `facts` as plain values."""
    stored: list[dict[str, Any]] = msgspec.to_builtins(facts(trace, attempts, requested))
    return stored


def facts(trace: DecisionTrace | None, attempts: Iterable[Attempt], requested: str = "") -> list[Any]:
    """Return the trace, then every attempt, with its alias if not the requested one. The encoder takes them as is."""
    tries = [each if each.alias != requested else _without_alias(each) for each in attempts]
    return tries if trace is None else [trace, *tries]


def _without_alias(attempt: Attempt) -> Attempt:
    return msgspec.structs.replace(attempt, alias="") if attempt.alias else attempt


def arm_in(stored: Sequence[dict[str, Any]]) -> str:
    """Return the arm of an experiment in a stored `document`, without reading all of it; "" for none."""
    first = stored[0] if stored else {}
    return str(first.get("arm", "")) if first.get("is") == "trace" else ""


class Settled(msgspec.Struct, frozen=True, kw_only=True, tag="settled", tag_field="is"):
    """How an unsettled call became exact: `how` completes the sentence "it was settled". Amounts are those before."""

    by: str
    at: str
    how: str
    cost_nanousd: int
    unsettled_nanousd: int


class Decision(msgspec.Struct, frozen=True):
    """A stored decision, read back. `trace` is None for calls of older releases and of processes that crashed."""

    trace: DecisionTrace | None = None
    attempts: tuple[Attempt, ...] = ()
    disputed_nanousd: int = 0  # reported beyond what was allowed, and not charged
    settled: Settled | None = None


def read(stored: Iterable[dict[str, Any]]) -> Decision:
    """Return what `document` stored; members of a later release are ignored."""
    trace, attempts, disputed, settled = None, [], 0, None
    for entry in stored:
        if entry.get("is") == "trace":
            trace = msgspec.convert(entry, DecisionTrace)
        elif entry.get("is") == "dispute":
            disputed = int(entry["nanousd"])
        elif entry.get("is") == "settled":
            settled = msgspec.convert(entry, Settled)
        elif "outcome" in entry:
            attempts.append(msgspec.convert(entry, Attempt))
    return Decision(trace, tuple(attempts), disputed, settled)


def _pair(limit: int | None, left: int | None) -> tuple[int, int] | None:
    return None if limit is None or left is None else (limit, left)
