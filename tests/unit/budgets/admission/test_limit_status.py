"""One rule chooses the limits in a status: the smallest remainder, and the first one at a tie."""

from __future__ import annotations

from budgets.admission.interface import BudgetRule, Limits, RateLimitStatus, Return, ScopeRules
from budgets.admission.limit_status import budget_status, least_left, rate_status
from budgets.local.sliding_window import SlidingWindow
from budgets.redis.replies import BudgetMoney, ScopeRates

NOW = 1000.5


def ring(requests: int, tokens: int, newest: int) -> tuple[SlidingWindow, ScopeRates]:
    """Return the same reading of both stores."""
    local = SlidingWindow()
    for place in range(requests):
        local.add(newest, tokens if not place else 0)
    return local, ScopeRates(requests, tokens, newest if requests else -1)


def rates(*scopes: tuple[Limits, tuple[SlidingWindow, ScopeRates]]) -> RateLimitStatus | None:
    rules = [ScopeRules(f"key:{place}", limits) for place, (limits, _) in enumerate(scopes)]
    local = rate_status(rules, [reading for _, (reading, _) in scopes], NOW)
    shared = rate_status(rules, [reading for _, (_, reading) in scopes], NOW)
    assert local == shared
    return local


def test_without_limits_there_is_no_rate():
    assert rates((Limits(), ring(3, 30, 1000)), (Limits(parallel_requests=1), ring(1, 1, 990))) is None
    assert rates() is None


def test_requests_and_tokens_are_of_the_scope_with_the_least_left_of_each():
    few, many = ring(3, 30, 1000), ring(9, 900, 990)
    found = rates((Limits(5, 2000), few), (Limits(20, 1000), many))
    assert found == RateLimitStatus(5, 2, 60_500, 1000, 100, 50_500)


def test_the_first_scope_wins_a_tie():
    older, newer = ring(2, 10, 980), ring(4, 30, 1000)
    assert rates((Limits(5, 20), older), (Limits(7, 40), newer)) == RateLimitStatus(
        5, 3, 40_500, 20, 10, 40_500
    )


def test_one_limit_alone_leaves_the_other_open():
    assert rates((Limits(5), ring(2, 10, 1000))) == RateLimitStatus(5, 3, 60_500, None, None, 0)
    assert rates((Limits(None, 50), ring(2, 10, 1000))) == RateLimitStatus(None, None, 0, 50, 40, 60_500)


def test_nothing_is_left_where_a_limit_was_lowered():
    assert rates((Limits(1, 5), ring(2, 10, 1000))) == RateLimitStatus(1, 0, 60_500, 5, 0, 60_500)
    assert rates((Limits(1, 5), ring(0, 0, 0))) == RateLimitStatus(1, 1, 0, 5, 5, 0)


def test_the_budget_with_the_least_unspent_money_is_shown_whatever_is_held():
    one = "one", BudgetRule(1000), BudgetMoney(500, 100, 0, 2, 0)
    two = "two", BudgetRule(900), BudgetMoney(600, 0, 300, 2, 0)
    three = "three", BudgetRule(300), BudgetMoney(0, 0, 0, 2, 0)
    assert least_left([one, two, three]) == two
    assert least_left([three, two]) == three  # the first one at a tie
    assert least_left([]) is None


def test_what_returns_first_is_shown_if_it_is_something():
    rule = BudgetRule(1000, "rolling_7d")
    late = budget_status("key:1", rule, 300, 50, 20, 9000.0, Return(5000.0, 0, 3))
    assert (late.spent_nanousd, late.unsettled_nanousd, late.resets_at, late.resets_nanousd) == (
        280,
        20,
        9000.0,
        300,
    )
    soon = budget_status("key:1", rule, 300, 50, 20, 9000.0, Return(5000.0, 70, 3))
    assert (soon.resets_at, soon.resets_nanousd, soon.held_nanousd) == (5000.0, 70, 50)
