"""What a provider's failure means: whether to try elsewhere, what the client gets, how long to wait."""

from __future__ import annotations

import pytest

from providers.errors.exceptions import (
    ConnectFailed,
    PassthroughError,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamStatus,
    UpstreamTimeout,
    summarize,
)
from providers.errors.retry_after import parse_retry_after

PAGE = "A server in front of the provider refused this request with a page of HTML: "
NOW = 1_763_848_800.0  # 2025-11-22 22:00:00 UTC


def status(code: int, body: bytes = b"", **headers: str) -> UpstreamStatus:
    return UpstreamStatus.from_response(
        code, {name.replace("_", "-"): value for name, value in headers.items()}, body, NOW
    )


def at(failure: UpstreamFailed, deployment: str) -> UpstreamFailed:
    failure.provider, failure.deployment = "openai", deployment
    return failure


@pytest.mark.parametrize(
    ("code", "retryable", "error_code", "answer_status"),
    [
        (307, True, "upstream_error", 502),
        (400, False, "upstream_refused", 400),
        (401, True, "upstream_auth_failed", 502),
        (403, True, "upstream_auth_failed", 502),
        (404, True, "upstream_model_not_found", 502),
        (408, True, "upstream_error", 502),
        (409, True, "upstream_error", 502),
        (413, False, "upstream_refused", 413),
        (422, False, "upstream_refused", 422),
        (425, True, "upstream_error", 502),
        (429, True, "upstream_rate_limited", 429),
        (500, True, "upstream_error", 502),
        (503, True, "upstream_error", 502),
        (529, True, "upstream_error", 502),
    ],
)
def test_a_status_decides_what_happens_next(
    code: int,
    retryable: bool,  # noqa: FBT001 - a table
    error_code: str,
    answer_status: int,
) -> None:
    failure = status(code)

    assert (failure.retryable, failure.code, failure.answer_status) == (retryable, error_code, answer_status)
    assert (failure.status, failure.reached) == (code, True)


def test_a_refusal_of_the_clients_request_passes_with_all_it_says() -> None:
    body = (
        b'{"error": {"message": "Too long.", "type": "invalid_request_error", '
        b'"param": "messages", "code": "context_length_exceeded"}}'
    )

    assert status(400, body).passthrough == PassthroughError(
        400, "Too long.", "invalid_request_error", "messages", "context_length_exceeded"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": "Too long."}', "Too long."),
        (b'{"message": "Too long.", "code": 400}', "Too long."),
        (b'{"detail": "Too long."}', "Too long."),
        (b"", "The provider refused the request with status 400."),
        (b"{}", "The provider refused the request with status 400."),
        (b'{"error": {"message": "x"}', '{"error": {"message": "x"}'),  # cut
        (b"<html><style>x{}</style><h1>400</h1> nginx</html>", PAGE + "400 nginx"),
        (b'["no"]', "no"),
        (b'{"error": {"message": {"deep": 1}}}', "deep: 1"),
        (b"[" * 100_000, "[" * 1_000),
        (b"model is busy\x1b[2J\r\nretry", "model is busy [2J retry"),
        # Google's list, Mistral's nested message, FastAPI's detail, lists of errors and of messages
        (b'[{"error":{"code":400,"message":"API key nope","status":"INVALID_ARGUMENT"}}]', "API key nope"),
        (
            b'{"object":"error","message":{"detail":[{"type":"missing","loc":["body","x"],"msg":"Field required"}]}}',
            "body.x: Field required",
        ),
        (
            b'{"detail":[{"loc":["body","messages",0],"msg":"bad role"},{"loc":["body","n"],"msg":"not 0"}]}',
            "body.messages.0: bad role; body.n: not 0",
        ),
        (b'{"errors":[{"message":"one"},{"message":"two"}]}', "one"),
        (b'{"errors":["one","two"]}', "one; two"),
        (b'{"message":["model must be a string"]}', "model must be a string"),
        (b'{"error":{"message":["first","second"]}}', "first; second"),
        # AWS, RFC 9457, MiniMax, Apigee, TGI, Baidu, OpenRouter's raw
        (b'{"Message":"no such thing"}', "no such thing"),
        (b'{"type":"about:blank","title":"Bad","status":400}', "Bad"),
        (b'{"base_resp":{"status_code":2013,"status_msg":"invalid params"}}', "invalid params"),
        (b'{"fault":{"faultstring":"Invalid path","detail":{"errorcode":"x"}}}', "Invalid path"),
        (b'{"error":["Error in `inputs`: required"]}', "Error in `inputs`: required"),
        (b'{"error_code":6,"error_msg":"No permission"}', "No permission"),
        # unknown names, in any depth; what names the error or the call, or is what was asked, is no reason
        (b'{"error":{"msg":"no"}}', "no"),
        (b'{"error":{"detail":{"reason":"no"}}}', "no"),
        (b'{"error":{"why":"no"}}', "why: no"),
        (b'{"error":{"a":{"b":{"c":{"d":{"cause":"no"}}}}}}', "cause: no"),
        (
            b'{"errors":[{"explanation":"no"},{"explanation":"nor that"}]}',
            "explanation: no; explanation: nor that",
        ),
        (
            b'{"errors":{"model":["no","nor that"],"n":["too many"]}}',
            "model: no; model: nor that; n: too many",
        ),
        (b'{"message":{"en":"no","de":"nein"}}', "en: no; de: nein"),
        (b'{"grund":"no","request_id":"x","messages":[{"content":"secret"}]}', "grund: no"),
        (b'{"error":42}', "42"),
        (b'{"error":{"why":"no","n":1e400,"m":NaN}}', "why: no; m: 0"),
        (b'{"error":{"code":"c","stack":"at x"}}', "The provider refused the request with status 400."),
        (b'data: {"error":{"message":"no"}}\n\ndata: [DONE]\n\n', "no"),
        (b'event: error\ndata: {"message":"no"}\n\n', "no"),
        (b'{"error":{"message":"no"}}{"error":{"message":"nor that"}}', "no"),
        (b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b',"error":{"message":"no"}}', "no"),
    ],
)
def test_a_refusal_in_any_envelope_becomes_a_sentence(body: bytes, message: str) -> None:
    passed = status(400, body).passthrough

    assert passed is not None
    assert (passed.status, passed.message) == (400, message)


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500])
def test_what_is_not_the_clients_fault_is_not_passed_on(code: int) -> None:
    assert status(code, b'{"error": {"message": "Incorrect API key provided: sk-123"}}').passthrough is None


def test_the_clients_message_names_no_host() -> None:
    failure = ConnectFailed("Cannot connect to host 10.0.0.7:443")

    assert "10.0.0.7" in str(failure)
    assert "10.0.0.7" not in failure.client_message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 3 ", 3.0),
        ("Sat, 22 Nov 2025 22:01:00 GMT", 60.0),
        ("Sat, 22 Nov 2025 21:00:00 GMT", 0.0),
        ("99999999", 86_400.0),
        ("inf", None),
        ("1e400", None),
        ("-inf", None),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_milliseconds_are_the_finer_word() -> None:
    assert status(429, retry_after="2", retry_after_ms="1250").retry_after_s == 1.25
    assert status(429, retry_after="2", retry_after_ms="x").retry_after_s == 2.0


@pytest.mark.parametrize(
    ("phase", "reached"), [("connect", False), ("first_byte", True), ("idle", True), ("total", True)]
)
def test_only_a_connect_timeout_never_reached_the_provider(phase: str, reached: bool) -> None:  # noqa: FBT001 - a table
    failure = UpstreamTimeout(phase, 3)  # type: ignore[arg-type]  # one of the phases

    assert (failure.reached, failure.code, failure.answer_status, failure.retryable) == (
        reached,
        "upstream_timeout",
        504,
        True,
    )


def test_one_failure_stands_for_itself() -> None:
    only = status(429, retry_after="9")

    assert summarize([only]) is only


def test_a_final_refusal_stands_for_all_that_came_before() -> None:
    refusal = status(400)

    assert summarize([status(500), refusal]) is refusal


def test_all_rate_limited_is_rate_limited_until_the_earliest_may_be_asked_again() -> None:
    summary = summarize([status(429, retry_after="30"), status(429, retry_after="5"), status(429)])

    assert (summary.code, summary.answer_status, summary.retry_after_s) == ("upstream_rate_limited", 429, 5.0)


def test_all_timed_out_is_a_timeout() -> None:
    summary = summarize([UpstreamTimeout("idle", 1), UpstreamTimeout("connect", 1)])

    assert (summary.code, summary.answer_status) == ("upstream_timeout", 504)


@pytest.mark.parametrize("code", [401, 404])
def test_all_refused_alike_says_so(code: int) -> None:
    summary = summarize([status(code), status(code)])

    assert (summary.code, summary.answer_status) == (status(code).code, 502)


def test_a_mix_is_an_upstream_error() -> None:
    summary = summarize([status(429), status(401), UpstreamTimeout("idle", 1), UpstreamBroken("reset")])

    assert (summary.code, summary.answer_status, summary.retryable) == ("upstream_error", 502, True)


def test_the_summary_names_the_last_deployment_that_may_have_seen_the_request() -> None:
    summary = summarize(
        [at(status(500), "a"), at(UpstreamBroken("reset"), "b"), at(ConnectFailed("refused"), "c")]
    )

    assert (summary.deployment, summary.reached) == ("b", True)


def test_a_call_that_reached_no_provider_is_marked_as_such() -> None:
    summary = summarize([at(ConnectFailed("refused"), "a"), at(ConnectFailed("refused"), "b")])

    assert (summary.deployment, summary.reached, summary.code) == ("b", False, "upstream_error")
