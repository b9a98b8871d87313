"""The errors of Anthropic's API: the fault, whether another deployment may succeed, and what the client gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.errors.exceptions import UpstreamStatus
from providers.errors.verdicts import verdict_in_stream, verdict_on


def body(kind: str, message: str = "no", **details: Any) -> bytes:
    error = {"type": kind, "message": message} | ({"details": details} if details else {})
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()


LONG = "prompt is too long: 215432 tokens > 200000 maximum"
POOR = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."


@pytest.mark.parametrize(
    ("status", "error", "fault", "retryable", "code"),
    [
        (400, body("invalid_request_error", "max_tokens: Field required"), "request", False, "upstream_refused"),
        (400, body("invalid_request_error", LONG), "request", False, "upstream_refused"),
        (400, body("invalid_request_error", POOR), "account", True, "upstream_account_exhausted"),
        (401, body("authentication_error", "invalid x-api-key"), "credential", True, "upstream_auth_failed"),
        (402, body("billing_error"), "account", True, "upstream_account_exhausted"),
        (403, body("permission_error", "not allowed"), "credential", True, "upstream_auth_failed"),
        (404, body("not_found_error", "model: claude-x"), "none", True, "upstream_model_not_found"),
        (409, body("conflict_error"), "none", True, "upstream_error"),
        (413, body("request_too_large", "Request exceeds the size"), "request", False, "upstream_refused"),
        (429, body("rate_limit_error", "Number of requests has exceeded"), "limit", True, "upstream_rate_limited"),
        (500, body("api_error", "Internal server error"), "deployment", True, "upstream_error"),
        (504, body("timeout_error"), "deployment", True, "upstream_error"),
        (529, body("overloaded_error", "Overloaded"), "deployment", True, "upstream_error"),
        *[
            (status, body(kind, error_code=code), fault, True, answer)
            for status, kind, code, fault, answer in (
                (429, "rate_limit_error", "enforced_spend_limit_reached", "account", "upstream_account_exhausted"),
                (400, "invalid_request_error", "contract_spend_limit_reached", "account", "upstream_account_exhausted"),
                (403, "permission_error", "organization_on_hold", "account", "upstream_account_exhausted"),
                (429, "rate_limit_error", "ramp_limit_exceeded", "limit", "upstream_rate_limited"),
            )
        ],
    ],
)  # fmt: skip
def test_the_verdict_on_a_status(status: int, error: bytes, fault: str, retryable: bool, code: str) -> None:  # noqa: FBT001
    found = verdict_on(status, error)
    assert (found.fault, found.retryable, found.code) == (fault, retryable, code)


def test_a_prompt_that_is_too_long_may_go_to_a_model_with_a_larger_window() -> None:
    assert verdict_on(400, body("invalid_request_error", LONG)).fallback_reason == "context_window"


def test_a_limit_has_the_wait_that_the_provider_asks_for() -> None:
    limited = UpstreamStatus.from_response(429, {"retry-after": "17"}, body("rate_limit_error"))
    assert limited.retry_after_s == 17


NOW = 1_780_000_000.0
RESET = {
    "anthropic-ratelimit-requests-reset": "2026-05-28T20:27:10Z",
    "anthropic-ratelimit-tokens-reset": "2026-05-28T20:30:00Z",
}


@pytest.mark.parametrize(
    ("headers", "wait", "fault"),
    [
        (
            {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-tokens-remaining": "5"},
            30.0,
            "limit",
        ),
        (
            {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-tokens-remaining": "0"},
            200.0,
            "limit",
        ),
        ({"anthropic-ratelimit-requests-remaining": "0", "retry-after": "3"}, 3.0, "limit"),
        ({"request-id": "req_1", "retry-after": "3"}, 3.0, "limit"),
        ({"request-id": "req_1"}, None, "account"),
        ({"request-id": "req_1", "anthropic-ratelimit-requests-remaining": "0"}, 30.0, "limit"),
        ({}, None, "limit"),
        ({"request-id": "other"}, None, "limit"),
    ],
)
def test_the_wait_of_a_limit_is_in_its_headers(
    headers: dict[str, str], wait: float | None, fault: str
) -> None:
    limited = UpstreamStatus.from_response(429, RESET | headers, body("rate_limit_error"), NOW)
    assert (limited.retry_after_s, limited.fault) == (wait, fault)


def test_an_instant_that_is_none_is_no_wait() -> None:
    odd = {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "soon"}
    assert UpstreamStatus.from_response(429, odd, body("rate_limit_error"), NOW).retry_after_s is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (body("overloaded_error", "Overloaded"), None),
        (body("api_error"), None),
        (body("invalid_request_error", LONG), "request"),
        (body("rate_limit_error"), "limit"),
        (body("authentication_error"), "credential"),
    ],
)
def test_the_verdict_on_an_error_inside_a_stream(error: bytes, fault: str | None) -> None:
    found = verdict_in_stream(error)
    assert (None if found is None else found.fault) == fault
