"""Calls of Responses that fail at every upstream: before the stream, inside of it, and those that the client leaves."""

from __future__ import annotations

import pytest

from tests.functional.providers.matrix.asked import check_unfinished, failing, scripted
from tests.functional.providers.matrix.responses.responses_calls import PATH, body, call, user
from tests.functional.providers.matrix.rows import KEY, ROWS
from tests.support.conversation.responses_order import parsed

every_row = pytest.mark.parametrize("up", ROWS, ids=lambda up: up.alias)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
ERRORS = {400: (400, "invalid_request_error"), 429: (429, "rate_limit_error"), 500: (502, "api_error")}
NO_MONEY = {"anthropic", "azure-claude"}  # their 429 without `retry-after` is an account at its limit


@every_row
@both_ways
@pytest.mark.parametrize("status", ERRORS)
async def test_an_error_before_the_response(matrix, books, up, stream, status):
    answer = await call(matrix, body(failing(up), user(f"[error {status}] Hello"), stream=stream))
    expected = ERRORS[500] if status == 429 and up.alias in NO_MONEY else ERRORS[status]
    assert (answer.status_code, answer.json()["error"]["type"]) == expected, answer.text
    for secret in (up.model, "127.0.0.1"):
        assert secret not in answer.text
    books.refused(answer.headers["x-request-id"])


@every_row
@pytest.mark.parametrize("end", [{"error_after": 6}, {"cut_after": 1_500}], ids=["error", "cut"])
async def test_a_stream_that_breaks(matrix, books, up, end):
    with scripted(books.vendors, up, end):
        answer = await call(matrix, body(failing(up), user("[long] Hello"), stream=True))
    events = parsed(answer.content)
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    assert events[-1]["response"]["status"] == "failed"
    await check_unfinished(books, up, answer.headers["x-request-id"])


@every_row
async def test_a_client_that_leaves(matrix, books, up):
    given = body(failing(up), user("[long] Tell me all"), stream=True)
    with scripted(books.vendors, up, {"hold_after": 4}):
        async with matrix.client(KEY) as client, client.stream("POST", PATH, json=given) as answer:
            assert answer.status_code == 200
            [held] = await books.vendors.wait("holding", model=up.model, vendor=up.vendor)
        await books.vendors.wait("closed", number=held["number"])
    await check_unfinished(books, up, answer.headers["x-request-id"])
