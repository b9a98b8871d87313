"""An error has Anthropic's type for its status, and the gateway's own code beside it."""

from __future__ import annotations

import pytest

from gateway.http.client_api import ANTHROPIC, OPENAI, ErrorFields, api_of

VERSION = {b"anthropic-version": b"2023-06-01"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (409, "invalid_request_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
        (599, "api_error"),
    ],
)
def test_the_type_is_that_of_the_status(status, kind):
    fields = ErrorFields("code", "openais", "Words", status=status, request_id="req_1")
    assert ANTHROPIC.envelope(fields) == {
        "type": "error",
        "error": {"type": kind, "message": "Words", "code": "code"},
        "request_id": "req_1",
    }


def test_a_used_up_budget_is_about_billing_with_its_figures():
    fields = ErrorFields("insufficient_quota", "x", "Words", facts={"budget": {"limit_usd": "1"}}, status=429)
    error = ANTHROPIC.envelope(fields)["error"]
    assert (error["type"], error["budget"]) == ("billing_error", {"limit_usd": "1"})


def test_the_member_is_named():
    error = ANTHROPIC.envelope(ErrorFields("c", None, "Words", "messages[0]", status=400))["error"]
    assert error["param"] == "messages[0]"


def test_a_refused_thread_is_said_as_the_sdk_reads_it():
    error = ANTHROPIC.envelope(ErrorFields("c", None, "Words", "thread", status=400))["error"]
    assert error["details"]["error_code"] == "thread_unsupported_request"


@pytest.mark.parametrize(
    ("path", "headers", "api"),
    [
        ("/v1/messages", {}, ANTHROPIC),
        ("/v1/messages/count_tokens", {}, ANTHROPIC),
        ("/v1/messages/batches", {}, ANTHROPIC),
        ("/v1/models", VERSION, ANTHROPIC),
        ("/v1/models/org/model", VERSION, ANTHROPIC),
        ("/v1/files", VERSION, ANTHROPIC),
        ("/v1/models", {}, OPENAI),
        ("/v1/files", {}, OPENAI),
        ("/v1/chat/completions", VERSION, OPENAI),
        ("/v1/embeddings", VERSION, OPENAI),
    ],
)
def test_the_path_decides_and_for_shared_paths_the_version(path, headers, api):
    assert api_of(path, headers) is api
