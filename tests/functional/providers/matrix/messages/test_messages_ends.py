"""Calls of Messages that fail at every upstream: before the stream, inside of it, and those that the client leaves."""

from __future__ import annotations

import pytest

from tests.functional.providers.matrix.asked import check_unfinished, failing, scripted
from tests.functional.providers.matrix.messages.messages_calls import PATH, VERSION, body, call, user
from tests.functional.providers.matrix.rows import KEY, ROWS
from tests.support.conversation.messages_order import parsed

every_row = pytest.mark.parametrize("up", ROWS, ids=lambda up: up.alias)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
ERRORS = {400: (400, "invalid_request_error"), 429: (429, "rate_limit_error"), 500: (502, "api_error")}
NO_MONEY = {"anthropic", "azure-claude"}  # their 429 without `retry-after` is an account at its limit


@every_row
@both_ways
@pytest.mark.parametrize("status", ERRORS)
async def test_an_error_before_the_response(matrix, books, up, stream, status):
    answer = await call(matrix, body(failing(up), user(f"[error {status}] Hello"), stream=stream))
    error = answer.json()
    expected = ERRORS[500] if status == 429 and up.alias in NO_MONEY else ERRORS[status]
    assert (answer.status_code, error["error"]["type"]) == expected, answer.text
    assert (error["type"], error["request_id"]) == ("error", answer.headers["request-id"])
    for secret in (up.model, up.vendor, "127.0.0.1"):
        assert secret not in answer.text or secret in failing(up)
    books.refused(answer.headers["x-request-id"])


@every_row
@pytest.mark.parametrize("end", [{"error_after": 6}, {"cut_after": 1_500}], ids=["error", "cut"])
async def test_a_stream_that_breaks(matrix, books, up, end):
    with scripted(books.vendors, up, end):
        answer = await call(matrix, body(failing(up), user("[long] Hello"), stream=True))
    kinds = [event["type"] for event in parsed(answer.content)]
    assert (kinds[0], kinds[-1], kinds.count("error")) == ("message_start", "error", 1)
    assert "message_stop" not in kinds
    await check_unfinished(books, up, answer.headers["x-request-id"])


@every_row
async def test_a_client_that_leaves(matrix, books, up):
    given = body(failing(up), user("[long] Tell me all"), stream=True)
    with scripted(books.vendors, up, {"hold_after": 4}):
        async with (
            matrix.client(KEY) as client,
            client.stream("POST", PATH, json=given, headers=VERSION) as answer,
        ):
            assert answer.status_code == 200
            [held] = await books.vendors.wait("holding", model=up.model, vendor=up.vendor)
        await books.vendors.wait("closed", number=held["number"])
    await check_unfinished(books, up, answer.headers["x-request-id"])
