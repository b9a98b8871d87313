"""What the vendors' process keeps of calls, and how its responses fail when they are scripted to."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.support.vendors.direct import HI, MESSAGES, VERSION, post
from tests.support.vendors.simulated import sse

PRICES = {"input": 3000, "cache_read": 300, "cache_write": 3750, "cache_write_1h": 6000, "output": 15000}


def test_a_bill_has_the_vendors_usage_and_its_cost(vendors):
    vendors.price({"*": PRICES})
    system = [{"type": "text", "text": "bills " * 3000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    url, key = f"{vendors.urls['anthropic']}/v1/messages", "sk-ant-one"
    used = [
        post(url, {**MESSAGES, "system": system}, x_api_key=key, **VERSION).json()["usage"] for _ in range(2)
    ]
    written, read = vendors.bills(vendor="anthropic")[-2:]
    size = used[0]["cache_creation"]["ephemeral_1h_input_tokens"]
    assert written["counts"]["cache_write_1h"] == read["counts"]["cache_read"] == size > 1024
    assert written["usage"] == used[0]
    assert written["cost_nanousd"] - read["cost_nanousd"] == size * (6000 - 300)
    assert (
        read["cost_nanousd"] == size * 300 + used[1]["input_tokens"] * 3000 + used[1]["output_tokens"] * 15000
    )


def test_what_arrived_is_kept_byte_for_byte(vendors):
    body = b'{"model": "bytes",  "messages":[{"role":"user","content":"\\u0048i"}]}'
    httpx.post(
        f"{vendors.urls['openai']}/v1/chat/completions?x=1",
        content=body,
        headers={"authorization": "Bearer sk-openai-two", "x-mine": "1"},
    )
    [seen] = vendors.seen(model="bytes")
    assert (seen["body"], seen["path"], seen["query"]) == (body, "/v1/chat/completions", "x=1")
    assert (seen["account"], seen["headers"]["x-mine"]) == ("two", "1")


def chat(vendors, model, **more):
    body = {"model": model, "messages": HI, **more}
    return post(f"{vendors.urls['openai']}/v1/chat/completions", body, authorization="Bearer sk-openai-one")


def test_scripted_errors_come_one_after_the_other_and_the_last_repeats(vendors):
    vendors.script(
        "errs", {"status": 429, "headers": {"retry-after": "7"}}, {"status": 418, "body": "tea"}, {}
    )
    answers = [chat(vendors, "errs") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 418, 200, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert answers[0].json()["error"]["message"]
    assert answers[1].text == "tea"


def test_a_scripted_error_inside_of_a_stream_bills_what_was_produced(vendors):
    vendors.price({"*": PRICES})
    whole = chat(vendors, "breaks", stream=True)
    vendors.script("breaks", {"error_after": 5})
    events = sse(chat(vendors, "breaks", stream=True).content)
    assert len(events) == 6
    assert "error" in events[-1]
    full, part = vendors.bills(model="breaks")
    assert (full["finished"], part["finished"]) == (True, False)
    assert 0 < part["counts"]["output"] < full["counts"]["output"]
    assert full["counts"]["input"] == part["counts"]["input"]
    assert sse(whole.content)[-1] == "[DONE]"


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_can_be_cut_at_any_byte(vendors, stream):
    model = f"cut-{stream}"
    vendors.script(model, {"cut_after": 100, "cut_by": "close"})
    with pytest.raises(httpx.RemoteProtocolError):
        chat(vendors, model, stream=stream)
    [seen] = vendors.seen(model=model)
    assert (seen["bytes_sent"], seen["finished"]) == (100, False)


def test_a_stream_can_end_as_if_it_were_complete(vendors):
    vendors.script("ends", {"cut_after": 100, "cut_by": "end"})
    assert len(chat(vendors, "ends", stream=True).content) == 100


def test_a_stream_can_be_rechunked_into_pieces(vendors):
    vendors.script("pieces", {"piece": 3})
    body = {"model": "pieces", "messages": HI, "stream": True}
    headers = {"authorization": "Bearer sk-openai-one"}
    with httpx.stream(
        "POST", f"{vendors.urls['openai']}/v1/chat/completions", json=body, headers=headers
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert sse(raw)[-1] == "[DONE]"


async def test_a_call_holds_until_it_is_released(vendors):
    vendors.script("holds", {"hold_after": 3})
    body = {"model": "holds", "messages": HI, "stream": True}
    headers = {"authorization": "Bearer sk-openai-one"}
    async with httpx.AsyncClient() as client:
        call = asyncio.ensure_future(
            client.post(f"{vendors.urls['openai']}/v1/chat/completions", json=body, headers=headers)
        )
        [holding] = await vendors.wait("holding", model="holds")
        assert holding["bytes_sent"] > 0
        assert vendors.release(model="holds") == 1
        assert sse((await call).content)[-1] == "[DONE]"
    assert await vendors.wait("ended", model="holds")


async def test_a_response_can_wait_before_its_head(vendors):
    vendors.script("late", {"hold_before_head": True, "status": 503})
    async with httpx.AsyncClient() as client:
        body, headers = {"model": "late", "messages": HI}, {"authorization": "Bearer sk-openai-one"}
        call = asyncio.ensure_future(
            client.post(f"{vendors.urls['openai']}/v1/chat/completions", json=body, headers=headers)
        )
        await vendors.wait("holding", model="late")
        vendors.release()
        assert (await call).status_code == 503


async def test_a_client_that_leaves_is_noted(vendors):
    vendors.script("left", {"hold_after": 3})
    body = {"model": "left", "messages": HI, "stream": True}
    headers = {"authorization": "Bearer sk-openai-one"}
    async with (
        httpx.AsyncClient() as client,
        client.stream("POST", f"{vendors.urls['openai']}/v1/chat/completions", json=body, headers=headers),
    ):
        await vendors.wait("holding", model="left")
    [closed] = await vendors.wait("closed", model="left")
    assert not closed["finished"]
    assert not vendors.bills(model="left")[0]["finished"]
