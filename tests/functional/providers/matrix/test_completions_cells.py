"""The completions API in front of every API of every vendor: one prompt, its end, its bill, and refusals by name."""

from __future__ import annotations

import asyncio

import pytest

from tests.functional.providers.matrix.asking import Asking, check_refused
from tests.functional.providers.matrix.chat import check_usage, streamed
from tests.functional.providers.matrix.completions import reply_of
from tests.functional.providers.matrix.rows import FAILING, KEY, ROWS

UPSTREAMS = pytest.mark.parametrize("up", ROWS, ids=[up.alias for up in ROWS])


@pytest.fixture(scope="module")
def asking(matrix, vendors):
    made = Asking(matrix, vendors, "/v1/completions")
    yield made
    asyncio.run(made.check_ledger())


async def both(asking, up, body):
    """Ask for a document and for a stream: they say the same, and cost what the vendor bills."""
    whole = await asking.post(up.alias, body)
    reply = reply_of(whole)
    assert not reply.text or asking.said(up).has(reply.text), reply.text
    stream = await asking.post(up.alias, streamed(body))
    again = reply_of(stream)
    assert (again.text, again.finish) == (reply.text, reply.finish)
    for each, bill in zip((reply, again), asking.billed(up, whole, stream), strict=True):
        check_usage(each, bill["counts"])
    return reply


@UPSTREAMS
async def test_plain(asking, up):
    reply = await both(asking, up, {"prompt": "Tell me about roses", "max_tokens": 2_000})
    assert (reply.finish, bool(reply.text)) == ("stop", True)


@UPSTREAMS
async def test_a_length(asking, up):
    reply = await both(asking, up, {"prompt": "[long] Tell me about roses", "max_tokens": 60})
    assert (reply.finish, reply.usage["completion_tokens"] <= 60) == ("length", True)


@UPSTREAMS
async def test_a_refusal(asking, up):
    reply = await both(asking, up, {"prompt": "[refuse] How?", "max_tokens": 2_000})
    assert reply.finish in {"stop", "content_filter"}


@UPSTREAMS
@pytest.mark.parametrize(("member", "value"), [("echo", True), ("suffix", "x"), ("best_of", 3)])
async def test_what_a_chat_cannot_do_is_refused_by_name(asking, up, member, value):
    before = len(asking.vendors.calls(model=up.model, vendor=up.vendor))
    check_refused(await asking.post(up.alias, {"prompt": "Hi", member: value}), member)
    assert len(asking.vendors.calls(model=up.model, vendor=up.vendor)) == before


@UPSTREAMS
async def test_an_error_before_and_inside_of_a_stream(asking, up, vendors):
    before = await asking.post(f"{FAILING}{up.alias}", streamed({"prompt": "[error 400] Hi"}))
    assert (before.answer.status_code, before.document["error"]["type"]) == (400, "invalid_request_error")
    vendors.script(up.model, {"error_after": 40}, vendor=up.vendor)
    body = streamed({"prompt": "[long] Tell me about roses", "max_tokens": 2_000})
    inside = await asking.post(f"{FAILING}{up.alias}", body)
    vendors.forget_scripts()
    assert inside.answer.status_code == 200, inside.answer.text
    assert inside.events[-1]["error"]["message"]
    [row] = await asking.rows(inside)
    bill = asking.vendors.bills(model=up.model, vendor=up.vendor)[-1]
    assert (row["status"] == "ok", bill["finished"]) == (False, False)
    assert row["cost_nanousd"] + row["unsettled_nanousd"] >= bill["cost_nanousd"]


@UPSTREAMS
async def test_a_client_that_leaves_ends_the_call(asking, up, vendors):
    vendors.script(up.model, {"hold_after": 12}, vendor=up.vendor)
    body = {"model": f"{FAILING}{up.alias}", "prompt": "[long] Hi", "max_tokens": 2_000, "stream": True}
    already = len(vendors.calls(model=up.model, vendor=up.vendor, state="closed"))
    try:
        async with (
            asking.gateway.client(KEY) as client,
            client.stream("POST", "/v1/completions", json=body) as answer,
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
