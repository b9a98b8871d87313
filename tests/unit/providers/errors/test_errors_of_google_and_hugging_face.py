"""The errors of Vertex AI and Hugging Face, with their bytes: whose fault they are, and how long to wait."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.errors.exceptions import UpstreamStatus


def google(code: int, message: str, status: str, *details: Any) -> bytes:
    return json.dumps(
        {"error": {"code": code, "message": message, "status": status, "details": details}}
    ).encode()


TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
ABSENT = (
    "Publisher Model `projects/p/locations/global/publishers/google/models/gemini-x` was not found or your project "
    "does not have access to it. Please ensure you are using a valid model version."
)
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}


@pytest.mark.parametrize(
    ("status", "body", "fault", "retryable"),
    [
        (400, google(400, 'Invalid JSON payload received. Unknown name "id"', "INVALID_ARGUMENT"), "request", False),
        (400, google(400, TOO_LONG, "INVALID_ARGUMENT"), "request", False),
        (400, google(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"), "credential", True),
        (401, google(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED"), "credential", True),
        (403, google(403, "Permission 'aiplatform.endpoints.predict' denied", "PERMISSION_DENIED"), "credential", True),
        (404, google(404, ABSENT, "NOT_FOUND"), "none", True),
        (409, google(409, "The operation was aborted.", "ABORTED"), "none", True),
        (429, google(429, "Resource exhausted. Please try again later.", "RESOURCE_EXHAUSTED"), "limit", True),
        (429, b"[%b]" % google(429, "Resource exhausted.", "RESOURCE_EXHAUSTED"), "limit", True),
        (499, google(499, "The operation was cancelled.", "CANCELLED"), "none", True),
        (500, google(500, "Internal error encountered.", "INTERNAL"), "deployment", True),
        (503, google(503, "The service is currently unavailable.", "UNAVAILABLE"), "deployment", True),
        (504, google(504, "Deadline expired.", "DEADLINE_EXCEEDED"), "deployment", True),
        (400, b'{"error":["Input validation error: `temperature` must be strictly positive"]}', "request", False),
        (401, b'{"error":"Invalid username or password."}', "credential", True),
        (402, b'{"error":"You have exceeded your monthly included credits."}', "account", True),
        (404, b'{"error":{"message":"Model "a/b" not found","http_status_code":404}}', "none", True),
        (413, b'{"error":"batch size 64 > maximum allowed batch size 32","error_type":"Validation"}', "request", False),
        (422, b'{"error":"Input validation error: stop","error_type":"validation"}', "request", False),
        (424, b'{"error":"Request failed during generation","error_type":"generation"}', "none", True),
        (429, b'{"error":"Model is overloaded","error_type":"overloaded"}', "limit", True),
        (503, b'{"error":"Model a/b is currently loading","estimated_time":20.5}', "deployment", True),
    ],
)  # fmt: skip
def test_whose_fault_it_is(status: int, body: bytes, fault: str, *, retryable: bool) -> None:
    failure = UpstreamStatus.from_response(status, {}, body)
    assert (failure.fault, failure.retryable) == (fault, retryable)


def test_a_context_that_is_too_long_may_go_to_a_wider_model() -> None:
    failure = UpstreamStatus.from_response(400, {}, google(400, TOO_LONG, "INVALID_ARGUMENT"))
    assert failure.fallback_reason == "context_window"


@pytest.mark.parametrize(
    ("status", "body", "seconds"),
    [
        (429, google(429, "Resource exhausted.", "RESOURCE_EXHAUSTED", RETRY), 34.5),
        (429, google(429, "Resource exhausted.", "RESOURCE_EXHAUSTED"), None),
        (503, b'{"error":"Model a/b is currently loading","estimated_time":20.5}', 20.5),
        (503, b'{"error":"Model a/b is currently loading","estimated_time":true}', None),
        (503, b'{"error":"Model a/b is currently loading","estimated_time":1e99}', None),
    ],
)
def test_how_long_to_wait_is_in_the_body(status: int, body: bytes, seconds: float | None) -> None:
    assert UpstreamStatus.from_response(status, {}, body).retry_after_s == seconds


def test_a_header_goes_before_the_body() -> None:
    body = google(429, "Resource exhausted.", "RESOURCE_EXHAUSTED", RETRY)
    assert UpstreamStatus.from_response(429, {"retry-after": "3"}, body).retry_after_s == 3
