"""Chat completions in front of every API of every vendor: errors before and in a stream, and a client that leaves."""

from __future__ import annotations

import pytest

from tests.functional.providers.matrix.asking import Asking
from tests.functional.providers.matrix.chat import streamed, user
from tests.functional.providers.matrix.rows import FAILING, KEY, ROWS

UPSTREAMS = pytest.mark.parametrize("up", ROWS, ids=[up.alias for up in ROWS])


@pytest.fixture(scope="module")
def asking(matrix, vendors):
    return Asking(matrix, vendors, "/v1/chat/completions")


def check_hidden(asking, up, text):
    """Nothing of the provider's address or account leaks."""
    assert asking.vendors.urls[up.vendor].rpartition(":")[2] not in text
    assert "AKIAONE" not in text
    assert "project-1" not in text


@UPSTREAMS
async def test_an_error_before_the_response_is_a_status(asking, up):
    for body in ({"messages": user("[error 400] Hi")}, streamed({"messages": user("[error 400] Hi")})):
        got = await asking.post(f"{FAILING}{up.alias}", body)
        assert (got.answer.status_code, got.document["error"]["type"]) == (400, "invalid_request_error")
        check_hidden(asking, up, got.answer.text)
        [row] = await asking.rows(got)
        assert (row["status"], row["cost_nanousd"], row["unsettled_nanousd"]) == ("error", 0, 0)


@UPSTREAMS
async def test_an_overloaded_provider_is_an_error_of_the_api(asking, up):
    got = await asking.post(f"{FAILING}{up.alias}", streamed({"messages": user("[error 529] Hi")}))
    assert got.answer.status_code in {429, 502, 503}
    assert got.document["error"]["code"].startswith("upstream_")
    check_hidden(asking, up, got.answer.text)


@UPSTREAMS
async def test_an_error_inside_of_a_stream_is_an_event(asking, up, vendors):
    vendors.script(up.model, {"error_after": 40}, vendor=up.vendor)
    got = await asking.post(
        f"{FAILING}{up.alias}", streamed({"messages": user("[long] Tell me about roses")})
    )
    vendors.forget_scripts()
    assert got.answer.status_code == 200, got.answer.text
    assert any(event["choices"] for event in got.events[:-1])
    assert got.events[-1]["error"]["message"]
    check_hidden(asking, up, got.answer.text)
    [row] = await asking.rows(got)
    bill = asking.vendors.bills(model=up.model, vendor=up.vendor)[-1]
    assert row["status"] in {"error", "incomplete"}
    assert not bill["finished"]
    assert row["output_tokens"] > 0
    assert row["cost_nanousd"] + row["unsettled_nanousd"] >= bill["cost_nanousd"]


@UPSTREAMS
async def test_a_client_that_leaves_ends_the_call(asking, up, vendors):
    vendors.script(up.model, {"hold_after": 12}, vendor=up.vendor)
    body = {"model": f"{FAILING}{up.alias}", **streamed({"messages": user("[long] Tell me about roses")})}
    already = len(vendors.calls(model=up.model, vendor=up.vendor, state="closed"))
    try:
        async with (
            asking.gateway.client(KEY) as client,
            client.stream("POST", "/v1/chat/completions", json=body) as answer,
        ):
            assert answer.status_code == 200
            call_id = answer.headers["x-request-id"]
            await vendors.wait("holding", model=up.model, vendor=up.vendor)
        closed = await vendors.wait("closed", count=already + 1, model=up.model, vendor=up.vendor)
    finally:
        vendors.forget_scripts()
    [row] = await asking.rows_by(call_id)
    bill = vendors.bills(number=closed[-1]["number"])[0]
    assert (row["status"], row["estimated"]) == ("cancelled", True)
    assert row["cost_nanousd"] + row["unsettled_nanousd"] >= bill["cost_nanousd"]
