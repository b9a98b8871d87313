"""A call of the request log in sentences: what refused it, with its figures, and every attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from budgets.admission.demand import Demand
from budgets.admission.hold_causes import causes
from metering.decision import Decision, DecisionTrace, document
from metering.explain.refusal_story import NO_BILL, explain_refusal, in_short
from metering.explain.routing_text import attempt_sentences
from metering.explain.routing_text import in_short as tries_in_short
from metering.models import LoggedRequest
from providers.media.images import Picture
from providers.upstream import Attempt

NOON = datetime(2026, 7, 24, 12, tzinfo=UTC)
BUDGET = {
    "scope": "tenant",
    "schedule": "daily",
    "limit_usd": "2.00",
    "limit_nanousd": 2_000_000_000,
    "spent_nanousd": 1_500_000_000,
    "held_nanousd": 100_000_000,
    "unsettled_nanousd": 0,
    "needed_usd": "0.75",
    "needed_nanousd": 750_000_000,
    "resets_nanousd": 1_500_000_000,
    "resets_at": "2026-07-25T00:00:00Z",
}


def row(**fields: Any) -> LoggedRequest:
    given: dict[str, Any] = {
        "id": "req_1",
        "at": NOON,
        "method": "POST",
        "path": "/v1/chat/completions",
        "tenant_id": 3,
        "tenant": "acme",
        "api_key_prefix": "app",
        "model": "gpt-4o",
        "http_status": 429,
        "error_code": "rate_limit_exceeded",
        "latency_ms": 1.25,
        "client": "10.0.0.9",
    }
    return LoggedRequest(**(given | fields))


def story(told: LoggedRequest) -> dict[str, tuple[str, ...]]:
    return {part.title: part.sentences for part in explain_refusal(told)}


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (
            {"scope": "key", "rule": "requests", "limit": 60, "remaining": 0, "resets_in_ms": 1500},
            (
                "The key may make 60 requests a minute; 0 were left.",
                "There was room again 1,500 ms later, unless others took it.",
            ),
        ),
        (
            {"scope": "tenant", "rule": "tokens", "limit": 60_000, "remaining": 12, "resets_in_ms": 0},
            ("The tenant may make 60,000 tokens a minute; 12 were left.",),
        ),
        (
            {"scope": "key", "rule": "parallel", "limit": 4, "remaining": 0, "resets_in_ms": 0},
            ("The key may make 4 at a time; 0 were left.",),
        ),
    ],
)
def test_a_refusal_for_a_rate_has_its_figures(limit: dict[str, Any], said: tuple[str, ...]) -> None:
    told = row(figures={"limit": limit})
    assert story(told)["Why it was refused"] == said
    assert in_short(told).endswith(f"of the {limit['scope']}, {limit['remaining']} left")


def test_a_refusal_for_money_has_its_figures() -> None:
    told = row(figures={"budget": BUDGET}, error_code="insufficient_quota", message="No money.")
    assert story(told)["Why it was refused"] == (
        (
            "It could have cost up to 0.75 USD. The daily budget of the tenant is 2.00 USD, of which 1.50 were "
            "spent and 0.10 held by running calls; 1.50 come back on 2026-07-25T00:00:00.000Z."
        ),
    )
    assert story(told)["How it ended"] == (
        "The client got HTTP 429 (insufficient_quota), 1.2 ms after it came in.",
        "Its message: No money.",
        NO_BILL,
    )
    assert in_short(told) == "daily budget of the tenant: 2.00 USD, needed 0.75"


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        (
            Demand(body_bytes=0),
            (
                "It stated no limit of its output, so 4,096 tokens were reckoned: a call that states "
                "max_completion_tokens needs less."
            ),
        ),
        (Demand(output_cap=1, n=3), "It asked for 3 answers, and each was reckoned."),
        (
            Demand(output_cap=1, pictures=(Picture(), Picture(10, 10))),
            "The size of 1 of its pictures is not known, so each was reckoned as the largest there is.",
        ),
        (
            Demand(output_cap=1, references=("messages[0].content.file",)),
            (
                "The size of messages[0].content.file is not known, so the model's whole context window of 8,192 "
                "tokens was "
                "reckoned."
            ),
        ),
        (
            Demand(output_cap=1, documents=("a.pdf", "b.pdf")),
            (
                "The size of a.pdf and b.pdf was not measured, so the model's whole context window of 8,192 tokens "
                "was reckoned."
            ),
        ),
        (
            Demand(output_cap=1, unknown=("odd",)),
            "What odd costs is not known here, so the model's whole context window of 8,192 tokens was reckoned.",
        ),
        (
            Demand(output_cap=1, features=("web_search",)),
            (
                "The provider itself uses web_search, so the model's whole context window of 8,192 tokens was "
                "reckoned."
            ),
        ),
        (
            Demand(output_cap=1, predicted_bytes=7),
            "What it predicts of the output was reckoned too: 7 tokens.",
        ),
        (
            Demand(output_cap=1, tier="priority"),
            "It asked for the service tier priority, at the price of that.",
        ),
        (
            Demand(output_cap=1, body_bytes=58),
            "Its prompt was reckoned by its bytes: 58 tokens, because it could not be counted.",
        ),
    ],
)
def test_story_names_what_made_a_call_expensive(demand: Demand, said: str) -> None:
    found = msgspec.to_builtins(causes(demand, 4096, 8192, is_measured=False))
    told = story(row(figures={"budget": BUDGET, "enlarged_by": found}))["Why it was refused"]
    assert told[1:] == (said,)


def test_what_was_counted_or_is_bounded_by_itself_is_no_cause() -> None:
    assert causes(Demand(output_cap=5, body_bytes=10, documents=("a",)), 5, None, is_measured=True) == ()
    assert causes(Demand(kind="embeddings"), 0, None, is_measured=True) == ()


def test_a_call_that_reached_no_provider_lists_its_attempts() -> None:
    tries = (
        Attempt("openai", "east", "upstream_error", None, 3.0, "gpt-4o", reached=False),
        Attempt("azure", "west", "upstream_timeout", None, 3000.0, "mini", reached=False),
    )
    told = row(
        http_status=502,
        error_code="upstream_error",
        decision=document(DecisionTrace(order=("east", "west"), others=("mini",)), tries, "gpt-4o"),
    )
    assert story(told)["What was tried"] == (
        "1. east (openai): failed as upstream_error after 3.0 ms.",
        "2. west of mini (azure): failed as upstream_timeout after 3,000 ms.",
    )
    assert story(told)["Where it could go"][0] == "To east."
    assert in_short(told) == "west: upstream_timeout"
    assert tries_in_short(tries, "gpt-4o") == [
        "east (openai): upstream_error",
        "west of mini (azure): upstream_timeout",
    ]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("connect_refused", "127.0.0.1:9: connection refused"),
        ("dns", "no such host"),
        ("tls", "certificate has expired"),
        ("timeout", "connect timeout after 3 s"),
        ("", "status 500: CUDA out of memory."),
        ("", ""),
    ],
)
def test_an_attempt_states_its_reason(kind: str, reason: str) -> None:
    told: Any = SimpleNamespace(
        provider="openai",
        deployment="east",
        outcome="upstream_error",
        status=None,
        ms=3.0,
        alias="",
        usage=None,
        cost_nanousd=0,
        kind=kind,
        reason=reason,
    )
    [said] = attempt_sentences("gpt-4o", Decision(attempts=(told,)))
    [short] = tries_in_short((told,), "gpt-4o")
    assert said.startswith("1. east (openai): failed as upstream_error")
    assert reason.rstrip(".") in said
    assert f"({kind})" in said or not kind
    assert short == " ".join(each for each in ("east (openai): upstream_error", kind) if each) + (
        f", {reason}" if reason else ""
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Key app of tenant acme. It came from 10.0.0.9."),
        (
            {"error_code": "invalid_api_key", "client": ""},
            "Key app of tenant acme. The key is known, and is not in force any more.",
        ),
        (
            {"tenant_id": 0, "tenant": "", "client_request_id": "mine"},
            "An unknown caller: the prefix of the key was app. It came from 10.0.0.9. The client called it mine.",
        ),
        (
            {"tenant_id": 0, "tenant": "", "api_key_prefix": "", "client": ""},
            "An unknown caller: the request had no key, or something that cannot be one.",
        ),
    ],
)
def test_refusal_story_names_the_caller_as_far_as_known(fields: dict[str, Any], said: str) -> None:
    assert story(row(**fields))["Who called"] == (said,)


def test_a_row_that_stands_for_many_says_so() -> None:
    told = story(row(alike=4200, until=NOON))["How it ended"]
    assert told[-1] == (
        "4,200 more calls like it came in until 2026-07-24T12:00:00.000Z; they were only counted."
    )


@pytest.mark.parametrize("reason", ["full", "tenant_share", "batch", "something"])
def test_a_refusal_for_lack_of_capacity_says_why(reason: str) -> None:
    [said] = story(row(http_status=503, figures={"capacity": {"reason": reason}}))["Why it was refused"]
    assert said.startswith("The process that took it ")


def test_an_answer_given_again_names_the_call_it_repeats() -> None:
    told = row(http_status=200, error_code="", figures={"replay": {"original": "req_0"}})
    [said] = story(told)["Why no provider was called"]
    assert "req_0" in said
