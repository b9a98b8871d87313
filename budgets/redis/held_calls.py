"""What a worker remembers of its own calls, and how asks and answers look on their way to the scripts.

The worker's memory is what Redis is told again after a loss of data. Pure; a few microseconds a call.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Self

import msgspec

from budgets.admission.budget_windows import Window, window, window_from
from budgets.admission.interface import (
    Ask,
    BudgetRefused,
    BudgetRule,
    BudgetStanding,
    Grant,
    Post,
    RateRefused,
    RateStanding,
    Return,
    ScopeRules,
    Standing,
    WindowKey,
)
from budgets.local.scope_state import SLOT_RETRY_MS
from budgets.local.sliding_window import SPAN_S
from budgets.local.status import budget_standing

_KNOWN, _MISSING = 2, 0
NO_SECOND = -1


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """`rates`: requests, tokens, newest second a scope; `money`: spent, settled, held, how known, what is unsettled of
    spent and settled, a bound.

    Of a rolling bound also when something comes back first, and how much, where that is of another day.
    """

    status: str
    now: float
    instant: float
    detail: list[Any]
    rates: list[tuple[int, int, int]]
    money: list[tuple[int, ...]]


class Bound(msgspec.Struct, frozen=True):
    """A budget that binds a call, in the window that counts at its instant."""

    rule: BudgetRule
    key: WindowKey
    span: Window

    @property
    def name(self) -> str:
        return window_name(self.key)


def window_name(key: WindowKey) -> str:
    return f"{key.schedule}|{key.timezone}|{key.start:.0f}"


class Want(msgspec.Struct, frozen=True):
    """Scopes as the scripts take them, and the budgets in the same order as their readings come back."""

    tag: str
    scopes: tuple[ScopeRules, ...]
    bounds: tuple[Bound, ...]
    packed: list[Any]

    def is_of_another_day(self, instant: float) -> bool:
        """Tell whether a rolling window binds it by now that it was not granted in."""
        spans = (bound.span for bound in self.bounds)
        return any(span.since > span.start and instant >= span.end for span in spans)


def want_of(scopes: Sequence[ScopeRules], instant: float) -> Want:
    """Return what is asked of the store at this instant. Raises UnknownSchedule."""
    bounds, packed = [], []
    for rules in scopes:
        windows = []
        for rule in rules.budgets:
            span = window(rule.schedule, rule.timezone, instant)
            bound = Bound(rule, WindowKey(rules.scope, rule.schedule, rule.timezone, span.start), span)
            bounds.append(bound)
            packed_window = [bound.name, span.start, span.end, rule.limit_nanousd]
            windows.append(packed_window if span.since == span.start else [*packed_window, span.since])
        limits = rules.limits
        rates = (limits.requests_per_minute, limits.tokens_per_minute, limits.parallel_requests)
        packed.append([rules.scope, *(-1 if rate is None else rate for rate in rates), windows])
    return Want(tag_of(scopes), tuple(scopes), tuple(bounds), packed)


def tag_of(scopes: Sequence[ScopeRules]) -> str:
    """Return the hash tag of the tenant; everything that is decided in one step lives in its slot."""
    for rules in scopes:
        if rules.kind == "tenant":
            return tenant_tag(rules.scope)
    return scopes[0].scope


def tenant_tag(scope: str) -> str:
    return "t" + scope.partition(":")[2]


def packed_post(post: Post) -> list[Any]:
    key, added = post.window, post.added_nanousd
    end = window_from(key.schedule, key.timezone, key.start).end
    own = -1 if added is None else added
    total = [post.spent_nanousd, post.version, own, post.unsettled_nanousd]
    packed = [key.scope, window_name(key), key.start, end, *total]
    returns = post.returns
    return packed if returns is None else [*packed, returns.at, returns.nanousd, returns.version]


class HeldCall:
    """One call of this worker, from its grant until the ledger has it."""

    __slots__ = (
        "amount",
        "grant",
        "is_offline",
        "is_posted",
        "is_settled",
        "is_unknown",
        "link",
        "request_id",
        "seconds",
        "tokens",
        "unsettled",
        "want",
    )

    def __init__(self, request_id: str, want: Want, tokens: int, amount: int, grant: Grant) -> None:
        self.request_id, self.want, self.tokens, self.amount, self.grant = (
            request_id,
            want,
            tokens,
            amount,
            grant,
        )
        self.seconds: Sequence[int] = ()
        self.is_settled = self.is_posted = False
        self.unsettled = 0  # of the amount, once it is settled
        self.link = 0  # over which connection the store was told of it last
        self.is_offline = False  # granted while the store was away, which has not been told of it yet
        self.is_unknown = False  # and cannot know: nothing needs to be taken back there

    @classmethod
    def of(cls, ask: Ask, instant: float) -> Self:
        """Return the call as it is remembered where Redis has not answered."""
        grant = Grant(ask.request_id, instant, Standing())
        return cls(ask.request_id, want_of(ask.scopes, instant), ask.tokens, ask.hold_nanousd, grant)

    def settle(self, tokens: int, cost: int, unsettled: int) -> None:
        """Turn its hold into what it counts for from now on."""
        self.tokens, self.amount, self.unsettled, self.is_settled = tokens, cost + unsettled, unsettled, True

    @property
    def is_worth_telling(self) -> bool:
        """Whether the store should hold something for it: a slot, or money."""
        return not self.is_settled or (self.amount > 0 and not self.is_posted)

    def row(self, worker: str) -> list[Any]:
        """Return it as the scripts keep it: whose it is, so that it ends with its worker."""
        row: list[Any] = [
            0 if self.is_posted else self.amount,
            self.unsettled if self.is_settled else self.tokens,
            self.grant.admitted_at,
            int(self.is_settled),
            int(self.is_posted),
            worker,
        ]
        for place, rules in enumerate(self.want.scopes):
            row += [rules.scope, self.seconds[place] if self.seconds else NO_SECOND]
        return row


def standing_of(want: Want, reply: Reply, at_least: int = _MISSING + 1) -> Standing:
    """Return both halves, by the same rules as budgets/local/status.py."""
    return Standing(rates_of(want.scopes, reply), _money_of(want, reply, at_least))


def rates_of(scopes: Sequence[ScopeRules], reply: Reply) -> RateStanding | None:
    """Return the least left of requests and, on its own, of tokens; the first scope wins a tie."""
    least: list[tuple[int | None, int | None, int]] = []
    for which in (0, 1):
        chosen: tuple[int, int, int] | None = None
        for rules, reading in zip(scopes, reply.rates, strict=True):
            limits = rules.limits
            limit = limits.tokens_per_minute if which else limits.requests_per_minute
            if limit is not None and (chosen is None or limit - reading[which] < chosen[0]):
                chosen = (limit - reading[which], limit, _until_ms(reading[2], reply.now))
        least.append((None, None, 0) if chosen is None else (max(0, chosen[0]), chosen[1], chosen[2]))
    (left_r, limit_r, reset_r), (left_t, limit_t, reset_t) = least
    if limit_r is None and limit_t is None:
        return None
    return RateStanding(limit_r, left_r, reset_r, limit_t, left_t, reset_t)


def _money_of(want: Want, reply: Reply, at_least: int) -> BudgetStanding | None:
    found: list[tuple[int, int]] = []
    for place, (bound, reading) in enumerate(zip(want.bounds, reply.money, strict=True)):
        if reading[3] >= at_least:
            found.append((bound.rule.limit_nanousd - reading[0] - reading[1], place))
    return budget_of(want, reply, min(found)[1]) if found else None


def budget_of(want: Want, reply: Reply, place: int) -> BudgetStanding:
    bound, (spent, settled, held, _, unsettled, *returns) = want.bounds[place], reply.money[place]
    first = Return(float(returns[0]), returns[1]) if returns else None
    counted = spent + settled
    return budget_standing(bound.key.scope, bound.rule, counted, held, unsettled, bound.span.returns, first)


def refusal(want: Want, reply: Reply, ask: Ask) -> RateRefused | BudgetRefused | None:
    """Return why it is refused, where the reply says that it is."""
    if reply.status in ("parallel", "requests", "tokens"):
        return rate_refusal(want, reply, ask.tokens)
    if reply.status == "budget":
        short = budget_of(want, reply, reply.detail[0])
        return BudgetRefused(short, ask.hold_nanousd, rates_of(want.scopes, reply))
    return None


def rate_refusal(want: Want, reply: Reply, tokens: int) -> RateRefused:
    """Return why one more call does not fit: the reply's status names the rule."""
    which, second = reply.detail
    rules = want.scopes[which]
    limits, wait = rules.limits, _until_ms(second, reply.now)
    limit, left, possible = limits.parallel_requests or 0, 0, True
    if reply.status == "parallel":
        wait = SLOT_RETRY_MS
    elif reply.status == "requests":
        limit = limits.requests_per_minute or 0
    else:
        limit = limits.tokens_per_minute or 0
        left, possible = max(0, limit - reply.rates[which][1]), tokens <= limit
    refused = RateRefused(rules.scope, reply.status, limit, left, wait, possible=possible)
    refused.standing = standing_of(want, reply, _KNOWN)
    return refused


def _until_ms(second: int, now: float) -> int:
    return math.ceil((second + SPAN_S - now) * 1000) if second >= 0 else 0


def batches(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
