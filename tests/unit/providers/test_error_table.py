"""The errors of well-known servers, with their bytes: too long, a wrong key, no money, and none of these."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from providers.errors.exceptions import ErrorWith200, UpstreamBroken, UpstreamStatus
from providers.resilience.plan import Plan
from providers.target import Secret, Target
from tests.support.provider.errors import ACCOUNTS, KEYS, LONG_CONTEXT, MODELS, TOO_LARGE, TOO_LONG, error

WIDE = Target(
    id=9, alias="w", name="w-1", provider="openai", upstream_model="w", base_url="http://u", secret=Secret("")
)
PLAN = Plan(targets=(), fallbacks_by_reason={"context_window": (WIDE,), "content_filter": (WIDE,)})


def raw(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


@pytest.mark.parametrize("who", TOO_LONG)
def test_a_prompt_that_is_too_long_goes_to_the_model_for_it(who: str) -> None:
    status, body = TOO_LONG[who]
    failure = UpstreamStatus(status, raw(body))
    assert (failure.fallback_reason, failure.fault, failure.code) == (
        "context_window",
        "request",
        "upstream_refused",
    )
    assert not failure.retryable
    assert PLAN.after(failure) == (WIDE,)
    assert failure.passthrough is not None


IN_STREAMS = [who for who, (status, _) in TOO_LONG.items() if status != 413]


@pytest.mark.parametrize("who", IN_STREAMS)
def test_the_first_event_of_a_stream_is_read_as_a_status_is(who: str) -> None:
    failure = ErrorWith200(raw(TOO_LONG[who][1]))
    assert (failure.fallback_reason, failure.fault, failure.status) == ("context_window", "request", None)
    assert PLAN.after(failure) == (WIDE,)


NOT_TOO_LONG = [
    (400, error("max_tokens is too large: 50000. This model supports at most 4096 completion tokens.",
                param="max_tokens", code="invalid_value")),
    (429, error("Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000.")),
    (400, error("Invalid value: 'system'. Supported values are: 'user'.", param="messages[0].role")),
    (400, error("Unknown parameter: 'context'.")),
    (400, error("Invalid schema for function 'f': context=(), 'x' is not of type 'object'.")),
    (422, {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}]}),
    (500, error("CUDA out of memory")),
    (503, error("The model is overloaded. Please try again later.")),
    (400, ""),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), NOT_TOO_LONG)
def test_other_errors_go_to_no_wider_model(status: int, body: Any) -> None:
    assert UpstreamStatus(status, raw(body)).fallback_reason == ""


@pytest.mark.parametrize(("status", "body"), KEYS)
def test_a_wrong_key_is_the_operators_whatever_the_status(status: int, body: Any) -> None:
    failure = UpstreamStatus(status, raw(body))
    assert (failure.code, failure.answer_status, failure.retryable) == ("upstream_auth_failed", 502, True)
    assert (failure.fault, failure.is_sure, failure.passthrough) == ("credential", False, None)
    assert "API key" not in failure.client_message
    assert "did not say" in failure.client_message


@pytest.mark.parametrize(
    "words",
    [
        "Invalid value: 'Incorrect API key provided'. Supported values are: 'auto'.",
        "Unknown parameter: 'API key not valid'.",
        "'invalid api key' is not one of ['none', 'auto']",
        "Tool 'x' not found: invalid API key",
    ],
)
def test_words_that_a_client_made_a_provider_repeat_blame_no_key(words: str) -> None:
    failure = UpstreamStatus(400, raw(error(words, type="invalid_request_error")))
    assert (failure.fault, failure.retryable, failure.answer_status) == ("request", False, 400)


@pytest.mark.parametrize(("status", "body", "is_sure"), ACCOUNTS)
def test_an_account_without_money_is_the_operators(status: int, body: Any, is_sure: bool) -> None:  # noqa: FBT001 - a table
    failure = UpstreamStatus(status, raw(body))
    assert (failure.code, failure.answer_status) == ("upstream_account_exhausted", 502)
    assert (failure.fault, failure.retryable, failure.is_sure) == ("account", True, is_sure)
    assert failure.passthrough is None
    assert "balance" not in failure.client_message.lower()


@pytest.mark.parametrize(("status", "body"), MODELS)
def test_a_model_that_does_not_exist_is_the_operators(status: int, body: Any) -> None:
    failure = UpstreamStatus(status, raw(body))
    assert (failure.code, failure.answer_status) == ("upstream_model_not_found", 502)
    assert (failure.fault, failure.retryable, failure.passthrough) == ("none", True, None)


@pytest.mark.parametrize(
    "words",
    [
        "The model `x` does not support tools.",
        "Invalid value: 'unknown model'.",
        "Tool 'no such model' not found",
        "Invalid model parameters",
        "This model's output is limited",
    ],
)
def test_words_about_a_model_that_exists_are_its_clients(words: str) -> None:
    failure = UpstreamStatus(400, raw(error(words, type="invalid_request_error")))
    assert (failure.fault, failure.retryable, failure.answer_status) == ("request", False, 400)


STATUSES = [
    405,
    407,
    411,
    412,
    414,
    415,
    417,
    418,
    421,
    423,
    424,
    426,
    428,
    431,
    444,
    460,
    494,
    495,
    496,
    497,
    498,
    499,
]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", ["", {"detail": "no"}, error("Request failed during generation")])
def test_a_status_that_no_body_brings_about_may_go_better_elsewhere(status: int, body: Any) -> None:
    """Groq's 498, TGI's and Bedrock's 424, nginx's 494 to 499, a wrong address's 405."""
    failure = UpstreamStatus(status, raw(body))
    assert (failure.fault, failure.retryable, failure.answer_status) == ("none", True, 502)


@pytest.mark.parametrize("status", STATUSES)
def test_whatever_the_status_what_it_says_counts(status: int) -> None:
    failure = UpstreamStatus(status, raw(error("flagged", code="content_filter")))
    assert (failure.fault, failure.fallback_reason) == ("request", "content_filter")
    failure = UpstreamStatus(status, raw(error("no", code="insufficient_quota")))
    assert (failure.fault, failure.is_sure) == ("account", False)


@pytest.mark.parametrize("words", LONG_CONTEXT)
def test_a_429_about_a_long_prompt_rests_nothing_and_goes_to_the_model_for_it(words: str) -> None:
    failure = UpstreamStatus(
        429, raw({"type": "error", "error": {"type": "rate_limit_error", "message": words}})
    )
    assert (failure.fault, failure.fallback_reason, failure.answer_status) == (
        "request",
        "context_window",
        413,
    )


def test_a_router_passes_on_what_the_provider_behind_it_said() -> None:
    inner = {"error": {"message": "at most 1 image per prompt", "param": "messages", "code": "x"}}
    for said, words in (
        (orjson.dumps(inner).decode(), "at most 1 image per prompt"),
        ("plain words", "plain words"),
    ):
        metadata = {"raw": said, "provider_name": "Crucible"}
        failure = UpstreamStatus(400, raw(error("Provider returned error", code=400, metadata=metadata)))
        assert failure.passthrough is not None
        assert failure.passthrough.message == f"Provider returned error: {words}"
    flagged = {"raw": '{"error":{"code":"content_filter"}}'}
    assert (
        UpstreamStatus(400, raw(error("Provider returned error", metadata=flagged))).fallback_reason
        == "content_filter"
    )


def test_what_is_passed_on_in_itself_is_read_within_bounds() -> None:
    said = "deep"
    while len(said) < 200_000:
        said = orjson.dumps(error("outer", metadata={"raw": said})).decode()
    assert UpstreamStatus(400, said.encode()).fault == "request"


@pytest.mark.parametrize(
    "body",
    [
        error(
            "You exceeded your current quota, please check your plan.", code=429, status="RESOURCE_EXHAUSTED"
        ),
        error("Rate limit reached", code="rate_limit_exceeded"),
        "",
    ],
)
def test_another_429_is_a_limit(body: Any) -> None:
    assert UpstreamStatus(429, raw(body)).fault == "limit"


def test_google_says_in_the_body_how_long_to_wait() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]
    body = raw(error("Quota exceeded", code=429, status="RESOURCE_EXHAUSTED", details=details))
    assert UpstreamStatus.from_response(429, {}, body).retry_after_s == 34.5
    assert UpstreamStatus.from_response(429, {"retry-after": "7"}, body).retry_after_s == 7.0


def test_a_429_about_one_request_reaches_its_sender_in_the_providers_words() -> None:
    failure = UpstreamStatus(429, raw(error(TOO_LARGE, type="tokens", code="rate_limit_exceeded")))
    assert failure.passthrough is not None
    assert (failure.passthrough.status, failure.passthrough.message) == (413, TOO_LARGE)


@pytest.mark.parametrize("status", [400, 403, 406])
def test_a_firewalls_page_reaches_its_sender_without_its_markup(status: int) -> None:
    page = b"<!DOCTYPE html><html><style>p{}</style><h1>Attention</h1><script>x()</script> Ray ID: 7</html>"
    failure = UpstreamStatus(status, page)
    assert failure.passthrough is not None
    assert (failure.passthrough.status, failure.fault, failure.retryable) == (status, "request", True)
    assert failure.passthrough.message.endswith("page of HTML: Attention Ray ID: 7")


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://login.example.com/a?token=secret", "a redirect to login.example.com"),
        ("http://user:pw@10.0.0.7:8080/x", "a redirect to 10.0.0.7:8080"),
        ("/elsewhere", "a redirect to another path of the same host"),
        ("//evil.example", "a redirect to evil.example"),
        ("http://[::1", "a redirect to another path of the same host"),
        ("", "a redirect"),
    ],
)
def test_a_redirect_error_names_only_its_target(location: str, told: str) -> None:
    failure = UpstreamStatus.from_response(301, {"location": location} if location else {}, b"")
    assert (failure.reason, failure.kind) == (f"status 301, {told}", "redirect")
    assert (failure.fault, failure.code) == ("none", "upstream_error")


@pytest.mark.parametrize(
    ("event", "fault", "code"),
    [
        (error("Overloaded", type="overloaded_error"), "deployment", "upstream_error"),
        (error("boom", code=500), "deployment", "upstream_error"),
        (error("Rate limit exceeded", code=429), "limit", "upstream_rate_limited"),
        (error("flagged", code=403, metadata={"reasons": []}), "request", "upstream_refused"),
        (error("no", code="content_filter"), "request", "upstream_refused"),
        (error("slow", code="rate_limit_exceeded", type="requests"), "limit", "upstream_rate_limited"),
        (error("slow", type="rate_limit_error"), "limit", "upstream_rate_limited"),
        (error("no", code="insufficient_quota"), "account", "upstream_account_exhausted"),
        (error("no", code="invalid_api_key"), "credential", "upstream_auth_failed"),
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, "limit", "upstream_rate_limited"),
        (
            {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
            "credential",
            "upstream_auth_failed",
        ),
        ({"base_resp": {"status_code": 1008, "status_msg": "no"}}, "account", "upstream_account_exhausted"),
        ({"base_resp": {"status_code": 1026, "status_msg": "new_sensitive"}}, "request", "upstream_refused"),
        (error("405", code=405), "deployment", "upstream_error"),
        ({"message": "unknown model", "code": 404}, "deployment", "upstream_error"),
        ("not even JSON", "deployment", "upstream_error"),
    ],
)
def test_an_error_with_status_200_is_read_too(event: Any, fault: str, code: str) -> None:
    failure = ErrorWith200(raw(event))
    assert isinstance(failure, UpstreamBroken)
    assert (failure.fault, failure.code, failure.status) == (fault, code, None)


def test_what_an_operator_reads_is_one_short_line_without_the_key() -> None:
    target = Target(id=1, alias="a", name="a-1", provider="openai", upstream_model="a", base_url="http://u",
                    secret=Secret("sk-upstream-0123456789abcdef"))  # fmt: skip
    words = (
        "Incorrect header Authorization: Bearer sk-upstream-0123456789abcdef\r\nsecond\x1b[31m line "
        + "x" * 5_000
    )
    failure = UpstreamStatus(500, raw(error(words)))
    failure.set_target(target)
    assert "sk-upstream" not in failure.provider_message()
    assert failure.provider_message().isprintable()
    assert len(failure.provider_message()) <= 1_000
    assert "second" in failure.provider_message()
