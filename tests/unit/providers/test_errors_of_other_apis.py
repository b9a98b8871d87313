"""Errors of other APIs in a chat stream: before content the next deployment is called, then it ends."""

from __future__ import annotations

import json

import pytest

from providers.dialects.lenient.large_events import parse_event
from providers.errors.exceptions import ErrorWith200
from tests.unit.providers.test_ends_of_streams import DONE, USED, event, read, said

OF_OTHER_APIS = {  # and how each is judged before content
    '{"type":"response.failed","response":{"error":{"code":"server_error","message":"boom"}}}': "upstream_error",
    '{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded"}}}': "upstream_rate_limited",
    '{"type":"response.incomplete","response":{"incomplete_details":{"reason":"content_filter"}}}': "upstream_error",
    '{"type":"response.incomplete"}': "upstream_error",
    '{"type":"response.cancelled","response":{"status":"cancelled"}}': "upstream_error",
    '{"response":{"status":"failed","error":null}}': "upstream_error",
    '{"type":"error","code":"server_error","message":null,"sequence_number":1}': "upstream_error",
    '{"type":"error","message":"boom"}': "upstream_error",
    '{"type":"error","error":{"type":"authentication_error","message":"no"}}': "upstream_auth_failed",
    '{"internalServerException":{"message":"boom"}}': "upstream_error",
    '{"throttlingException":{"message":"slow"}}': "upstream_rate_limited",
    '{"modelStreamErrorException":"boom"}': "upstream_error",
    '{"__type":"ThrottlingException"}': "upstream_rate_limited",
    '{"fault":{"faultstring":"boom"}}': "upstream_error",
    '{"type":"about:blank","title":"Unavailable","status":503}': "upstream_error",
    '{"code":429}': "upstream_rate_limited",
    '{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}': "upstream_refused",
}


@pytest.mark.parametrize("error", OF_OTHER_APIS)
def test_errors_in_the_format_of_other_apis_are_recognised(error):
    for raw in (b"data: " + error.encode(), b"event: error\ndata: " + error.encode()):
        stream, out = read(raw + b"\n\n", event(said()), DONE)
        assert (stream.done, stream.started, out) == (False, False, b"")
        assert ErrorWith200(stream.failure).code == OF_OTHER_APIS[error]
        stream, out = read(event(said()), raw + b"\n\n", event(said("more")), DONE)
        assert (stream.done, stream.failure is not None, out) == (False, True, event(said()))


def test_error_after_all_content_is_found_and_its_usage_billed():
    """Responses repeats the request in its last event, and says there what was used."""
    error = {"code": "rate_limit_exceeded", "message": "slow"}
    asked = {"instructions": "word " * 12_000, "tools": [{"name": "f"}], "error": error, "usage": USED}
    failed = b"data: " + json.dumps({"type": "response.failed", "response": asked}).encode() + b"\n\n"
    stream, _ = read(event(said()), failed)
    assert json.loads(stream.failure) == {"error": error}
    assert stream.usage.total_tokens == 14
    seen = parse_event(failed[6:])
    assert seen.usage is not None
    assert (json.loads(seen.error or b""), seen.usage.prompt_tokens) == ({"error": error}, 9)


def test_what_groq_says_of_a_stream_that_it_stopped_early_is_an_error():
    """In `x_groq`, beside choices or none; what else stands there is none."""
    for choices in ([{"index": 0, "delta": {}, "finish_reason": "stop"}], [{"index": "0"}], []):
        for beside, is_error in (
            ({"id": "r", "error": "over capacity", "usage": USED}, True),
            ({"id": "r"}, False),
        ):
            raw = json.dumps({"choices": choices, "x_groq": beside}).encode()
            stream, out = read(event(said()), b"data: " + raw + b"\n\n")
            assert (stream.failure is not None, out == event(said())) == (is_error, is_error)
            seen = parse_event(raw)
            assert (seen.error is not None, seen.malformed) == (is_error, "")
            if is_error:
                assert json.loads(stream.failure) == json.loads(seen.error or b"")
                assert json.loads(stream.failure) == {"error": {"message": "over capacity"}}
                assert stream.usage.total_tokens == 14
