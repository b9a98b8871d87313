"""The cause of a 403: a tenant's prompt must not count as a refused credential, nor the other way round."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from providers.errors.exceptions import UpstreamStatus, summarize
from providers.resilience.health import DeploymentHealth
from providers.target import Secret, Target

TARGET = Target(
    id=1, alias="m", name="m-1", provider="openai", upstream_model="m", base_url="http://u", secret=Secret("")
)

OPENROUTER = {
    "error": {
        "code": 403,
        "message": "Your chosen model requires moderation and your input was flagged",
        "metadata": {"reasons": ["violence"], "flagged_input": "how do I ...", "provider_name": "x"},
    }
}
FLAGGED: list[dict[str, Any]] = [
    OPENROUTER,
    {"error": {"code": 403, "message": "no", "metadata": {"reasons": []}}},
    {"error": {"code": "content_policy_violation", "message": "no"}},
    {"error": {"code": "content_filter", "message": "The response was filtered"}},
    {"error": {"type": "moderation_blocked", "message": ""}},
    {"error": {"message": "Your prompt was flagged by our system."}},
    {"error": {"message": "Inappropriate content in the messages", "code": None}},
    {"error": "This image violates our rules"},
    {"detail": "Harmful input is refused"},
    {"message": "unsafe prompt", "code": 403},
    {"error": {"message": "no", "innererror": {"content_filter_result": {}}}},
    {"error": {"code": "data_inspection_failed"}},
    {"error": {"message": {"text": "input flagged"}}},
]
REFUSED = [
    {},
    [],
    "no",
    {"error": None},
    {"error": {"message": "Invalid API key"}},
    {"error": {"message": "Your account was flagged. Contact support.", "code": "account_deactivated"}},
    {"error": {"message": "Country, region, or territory not supported", "code": "unsupported_country"}},
    {"error": {"message": "You do not have permission to access this model", "type": "permission_error"}},
    {"error": {"message": "Your organization violates our terms"}},
    {"error": {"metadata": {"provider_name": "x"}, "message": "Key limit exceeded"}},
]
PAGES = [
    b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>",
    b"  \r\n<html>\r\n<head><title>403 Forbidden</title></head>",
    b"<HTML><BODY>Request rejected. Your support ID is 17</BODY></HTML>",
    b"<!doctype HTML>",
]


@pytest.mark.parametrize("said", FLAGGED)
def test_what_was_asked_is_refused_with_the_providers_words(said: object) -> None:
    failure = UpstreamStatus(403, orjson.dumps(said))
    assert (failure.code, failure.answer_status, failure.retryable) == ("upstream_refused", 403, False)
    assert failure.passthrough is not None
    assert failure.passthrough.status == 403


@pytest.mark.parametrize(
    "body", [*map(orjson.dumps, REFUSED), b"", b"Forbidden", b"\xff\xfe", b"[" * 100_000]
)
def test_an_ambiguous_403_blames_the_credential(body: bytes) -> None:
    failure = UpstreamStatus(403, body)
    assert (failure.code, failure.answer_status, failure.retryable) == ("upstream_auth_failed", 502, True)


@pytest.mark.parametrize("body", PAGES)
def test_a_firewalls_page_fails_over_and_blames_no_credential(body: bytes) -> None:
    failure = UpstreamStatus(403, body)
    assert (failure.code, failure.answer_status, failure.retryable) == ("upstream_refused", 403, True)
    both = summarize([failure, UpstreamStatus(403, body)])
    assert (both.code, both.answer_status) == ("upstream_refused", 403)
    assert "credential" not in both.client_message


@pytest.mark.parametrize("body", [*map(orjson.dumps, FLAGGED), *PAGES])
def test_a_401_is_the_credentials_whatever_it_says(body: bytes) -> None:
    assert UpstreamStatus(401, body).code == "upstream_auth_failed"


CODED = [said for said in FLAGGED if isinstance(said.get("error"), dict)][:5]
TOO_LARGE = [
    "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 45000.",
    "request too large for model `x`",
    "Your request is too large for the current tier",
]


@pytest.mark.parametrize("status", [500, 502, 503, 529])
@pytest.mark.parametrize("said", CODED)
def test_a_flagged_prompt_is_its_senders_whatever_the_status(said: object, status: int) -> None:
    failure = UpstreamStatus(status, orjson.dumps(said))
    assert (failure.code, failure.answer_status, failure.retryable) == ("upstream_refused", 403, True)


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize(
    "body",
    [
        *map(orjson.dumps, REFUSED),
        orjson.dumps({"error": {"message": "unsafe message, prompt lost"}}),
        b"",
        *PAGES,
    ],
)
def test_words_alone_do_not_excuse_a_server(body: bytes, status: int) -> None:
    assert UpstreamStatus(status, body).code == "upstream_error"


@pytest.mark.parametrize("words", TOO_LARGE)
def test_a_request_that_no_minute_can_take_is_no_limit_of_others(words: str) -> None:
    failure = UpstreamStatus(429, orjson.dumps({"error": {"message": words, "code": "rate_limit_exceeded"}}))
    assert (failure.code, failure.answer_status, failure.retryable) == ("upstream_refused", 413, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"Too Many Requests", b'{"error":{"message":"Rate limit reached"}}', b'{"error":[1]}'],
)
def test_another_429_is_a_limit(body: bytes) -> None:
    assert UpstreamStatus(429, body).code == "upstream_rate_limited"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, orjson.dumps(OPENROUTER)),
        (403, PAGES[0]),
        (500, orjson.dumps(OPENROUTER)),
        (503, orjson.dumps({"error": {"code": "content_filter"}})),
        (429, orjson.dumps({"error": {"message": TOO_LARGE[0]}})),
        (400, b""),
    ],
)
def test_one_tenants_request_blocks_the_deployment_for_no_other(status: int, body: bytes) -> None:
    health = DeploymentHealth()
    for _ in range(20):
        turn = health.start(TARGET)
        assert turn is not None
        turn.record_failure(UpstreamStatus(status, body, retry_after_s=60.0))
        turn.release()
    entry = health.get(TARGET.id)
    assert entry is not None
    assert entry.breaker.is_unrestricted


def test_a_long_message_is_read_in_a_moment() -> None:
    words = "prompt " * 200_000
    assert UpstreamStatus(403, orjson.dumps({"error": {"message": words}})).code == "upstream_auth_failed"
