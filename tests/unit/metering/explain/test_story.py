"""A call in sentences: every way it can end, what it cost to the last line, and nothing invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from metering.decision import BudgetSeen, DecisionTrace, LimitSeen, Skipped, document
from metering.explain.story import BY_BYTES, explain, receipt_lines
from metering.models import UsageEvent
from providers.upstream import Attempt

NOON = datetime(2026, 7, 24, 12, tzinfo=UTC)
TRACE = DecisionTrace(
    order=("east", "west", "north"),
    price_ids=(4, 5, 6),
    skipped=(Skipped("old", "it has no price."),),
    prompt=12,
    hold_nanousd=1_000,
    limits=(LimitSeen("key:7", "requests", 60), LimitSeen("tenant:3", "tokens", 60_000)),
    budget=BudgetSeen("tenant:3", "daily", 2_000_000_000, 500_000_000, 1_000, NOON.timestamp()),
)
ATTEMPTS = (
    Attempt("openai", "east", "upstream_timeout", None, 3000.0),
    Attempt("azure", "west", "ok", 200, 4.25),
)
RECEIPT = [
    {
        "kind": "input",
        "quantity": 12,
        "unit_price_nanousd": "150",
        "amount_nanousd": "1800",
        "price_id": 5,
        "note": "",
    },
    {
        "kind": "image",
        "quantity": 1,
        "unit_price_nanousd": "0.5",
        "amount_nanousd": "0.5",
        "note": "1024x1024 hd",
    },
]


def event(**fields: Any) -> UsageEvent:
    given: dict[str, Any] = {
        "id": "req_1",
        "started_at": NOON,
        "finished_at": NOON,
        "tenant_id": 3,
        "tenant": "acme",
        "key_id": 7,
        "api_key_prefix": "app",
        "endpoint": "chat.completions",
        "model": "gpt-4o",
        "provider": "azure",
        "deployment": "west",
        "upstream_model": "gpt-4o-2024",
        "status": "ok",
        "http_status": 200,
        "cost_nanousd": 1_801,
        "latency_ms": 3010.0,
        "receipt": RECEIPT,
        "decision": document(TRACE, ATTEMPTS),
    }
    return UsageEvent(**(given | fields))


def story(told: UsageEvent) -> dict[str, tuple[str, ...]]:
    return {part.title: part.sentences for part in explain(told)}


def test_story_lists_eligible_and_ineligible_deployments() -> None:
    assert story(event())["Where it could go"] == (
        "By strategy weighted: east first, then west, then north.",
        "Not to old: it has no price.",
        "By price row 4, price row 5 and price row 6, in that order.",
    )


def test_story_names_the_fallback_models() -> None:
    trace = DecisionTrace(
        order=("east", "mini-1"),
        others=("mini",),
        instead={"content_filter": ("mini-1 of mini",)},
        panic=True,
    )
    assert story(event(decision=document(trace, ())))["Where it could go"] == (
        "To east.",
        "If the model is not available: mini-1 of mini.",
        "All of them were resting after failures and nothing else was left, so they could be asked all the same.",
        "Had it been refused for content filter: to mini-1 of mini.",
    )


def test_a_deployment_that_was_asked_although_it_rested_is_not_said_to_be_left_out() -> None:
    trace = DecisionTrace(
        order=("tiny-1",),
        panic=True,
        skipped=(Skipped("tiny-1", "it failed: ConnectionRefusedError"), Skipped("old", "it is disabled")),
    )
    assert story(event(decision=document(trace, ())))["Where it could go"] == (
        "To tiny-1.",
        "It was resting after failures and nothing else was left, so it could be asked all the same.",
        "Why tiny-1 was resting: it failed: ConnectionRefusedError.",
        "Not to old: it is disabled.",
    )


def test_story_states_why_another_model_answered() -> None:
    def told(trace: DecisionTrace, *tries: Attempt) -> tuple[str, ...]:
        return story(event(decision=document(trace, tries, "gpt-4o"), upstream_model="gpt-4o"))[
            "What was tried"
        ]

    behind = DecisionTrace(
        order=("east", "east"), others=("mini",), instead={"content_filter": ("east of mild",)}
    )
    assert told(
        behind,
        Attempt("openai", "east", "upstream_error", 503, 1.0, "gpt-4o"),
        Attempt("openai", "east", "ok", 200, 2.0, "mini"),
    ) == (
        "1. east (openai): failed as upstream_error with HTTP 503 after 1.0 ms.",
        "2. east of mini (openai) answered with HTTP 200 after 2.0 ms.",
        "So the model mini answered, because no deployment of gpt-4o could.",
    )
    assert told(
        behind,
        Attempt("openai", "east", "upstream_refused", 400, 1.0, "gpt-4o"),
        Attempt("openai", "east", "ok", 200, 2.0, "mild"),
    ) == (
        "1. east (openai): refused the call with HTTP 400 after 1.0 ms.",
        "2. east of mild (openai) answered with HTTP 200 after 2.0 ms.",
        "So the model mild answered, because the provider's filter refused its prompt.",
        "Not tried: east of mini.",
    )
    too_long = DecisionTrace(order=("big",), others=("long",), reason="context_window")
    assert told(too_long, Attempt("openai", "big", "ok", 200, 2.0, "long"))[1] == (
        "So the model long answered, because its prompt was too long for gpt-4o."
    )
    assert story(event(decision=document(too_long, ())))["Where it could go"] == (
        "To another model, because its prompt was too long for gpt-4o: big of long.",
    )


def test_story_names_the_arm_and_the_excluded_deployments() -> None:
    trace = DecisionTrace(order=("east",), arm="east", skipped=(Skipped("", "Its fallback x is left out."),))
    assert story(event(decision=document(trace, ())))["Where it could go"] == (
        "Its caller is in the arm east of the model's experiment.",
        "To east.",
        "Its fallback x is left out.",
    )


def test_a_mirror_names_the_call_it_copies() -> None:
    mirrored = event(endpoint="shadow:chat.completions", client_request_id="req_9", tenant="operator")
    assert story(mirrored)["Who called"] == (
        "The operator: it is call req_9 once more, for a deployment on trial. Its answer was not used.",
    )


def test_a_broken_stream_states_why_there_was_no_failover() -> None:
    told = story(event(status="incomplete", error_code="upstream_error"))["How it ended"]
    assert told[0].startswith("It broke off before its end (upstream_error), ")
    assert told[1] == (
        "A part of the answer had left by then, so no other provider could be asked; what had left is billed."
    )


def test_story_states_what_was_allowed_and_held() -> None:
    assert story(event())["What was allowed and held"] == (
        "The key may make 60 requests a minute.",
        "The tenant may make 60,000 tokens a minute.",
        f"0.000001 USD was held, the most it could cost, {BY_BYTES}.",
        (
            "The tightest budget was the daily budget of the tenant: 2.00 USD, of which 0.50 were spent and 0.000001 "
            "held by running calls, this one included; it resets on 2026-07-24T12:00:00.000Z."
        ),
    )


def test_story_lists_attempted_and_skipped_deployments() -> None:
    assert story(event())["What was tried"] == (
        "1. east (openai): failed as upstream_timeout after 3,000 ms.",
        "2. west (azure) answered with HTTP 200 after 4.2 ms.",
        "Not tried: north.",
        "There the model is called gpt-4o-2024.",
    )


def test_story_bills_line_by_line() -> None:
    assert story(event(estimated=True))["What it cost"] == (
        "12 input tokens at 0.00000015 USD each: 0.0000018 USD (price row 5).",
        "1 images 1024x1024 hd at 0.0000000005 USD each: 0.0000000005 USD (no price row).",
        "Together 0.000001801 USD, rounded up once.",
        "The provider did not say what was used; the gateway counted it.",
        "That is 0.000000801 USD more than was held.",
    )
    assert [line.amount_usd for line in receipt_lines(event())] == ["0.0000018", "0.0000000005"]


def test_story_states_how_the_call_ended() -> None:
    def end(**fields: Any) -> str:
        [said] = story(event(**fields))["How it ended"]
        return said

    assert end() == "It ended well, with HTTP 200, 3,010 ms after it came in."
    assert end(status="error", http_status=504, error_code="upstream_timeout").startswith(
        "It failed: the client got HTTP 504 (upstream_timeout), "
    )
    assert end(status="cancelled", error_code="client_disconnected").startswith(
        "It was stopped before its end (client_disconnected), "
    )
    assert end(status="incomplete", error_code="gateway_died").startswith(
        "It broke off before its end (gateway_died), "
    )
    assert end(ttft_ms=120.0).endswith("; the first bytes left after 120 ms.")


def test_a_call_that_was_clamped_says_so() -> None:
    trace = DecisionTrace(order=("east",), hold_nanousd=5, cap=17, clamped=True, counted=True)
    held = story(event(decision=document(trace, ATTEMPTS)))["What was allowed and held"]
    assert held == (
        "No limit of rate bound it.",
        "0.000000005 USD was held, the most it could cost, for its prompt as counted or measured.",
        "Its output was cut to 17 tokens: more did not fit into the budget.",
    )


def test_a_call_without_a_decision_makes_nothing_up() -> None:
    told = story(event(decision=[], receipt=[], cost_nanousd=0))
    for title in ("Where it could go", "What was allowed and held", "What was tried"):
        assert told[title][0].startswith("This was not kept")
    assert told["What it cost"] == ("Nothing.",)
