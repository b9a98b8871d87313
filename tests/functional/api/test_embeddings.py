"""POST /v1/embeddings: every form of input, both encodings, and what is not an input."""

from __future__ import annotations

import json

import pytest

from tests.support import sample

INPUTS = {
    "a string": ("hi", 1),
    "a list of strings": (["a", "b", "c"], 3),
    "token ids": ([1, 2, 3], 1),
    "lists of token ids": ([[1, 2], [3]], 2),
}


async def post(gateway, **body):
    async with gateway.client(sample.ALICE) as client:
        return await client.post("/v1/embeddings", json={"model": "embed", **body})


@pytest.mark.parametrize("form", INPUTS)
async def test_embeddings_take_every_form_of_input(shared_gateway, upstream, form):
    given, count = INPUTS[form]
    answer = await post(shared_gateway, input=given)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["model"] == "embed"
    assert [item["index"] for item in body["data"]] == list(range(count))
    assert body["usage"] == {"prompt_tokens": 4 * count, "total_tokens": 4 * count}
    [seen] = upstream.seen(call=answer.headers["x-request-id"])
    assert seen["path"] == "/v1/embeddings"
    assert json.loads(seen["body"]) == {"model": "up-embed", "input": given}


@pytest.mark.parametrize(("encoding", "kind"), [("float", list), ("base64", str), (None, list)])
async def test_encoding_format_is_passed_to_the_provider(shared_gateway, encoding, kind):
    more = {"encoding_format": encoding} if encoding else {}
    answer = await post(shared_gateway, input="hi", dimensions=8, **more)
    assert isinstance(answer.json()["data"][0]["embedding"], kind)


async def test_official_client_decodes_both_encodings(shared_gateway):
    async with shared_gateway.openai(sample.ALICE) as client:
        packed = await client.embeddings.create(model="embed", input="hi")  # asks for base64 by itself
        plain = await client.embeddings.create(model="embed", input="hi", encoding_format="float")
    assert packed.data[0].embedding == plain.data[0].embedding == [1.0, *[0.0] * 7]


async def test_embeddings_are_priced_by_their_input(shared_gateway):
    answer = await post(shared_gateway, input=["a", "b"])
    assert answer.headers["x-gateway-cost-usd"] == "0.000008"


@pytest.mark.parametrize("given", ["", [], 5, None, {"a": 1}, True])
async def test_embeddings_with_an_invalid_input_are_refused(shared_gateway, given):
    answer = await post(shared_gateway, input=given)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "input"


async def test_embeddings_without_input_are_refused(shared_gateway):
    answer = await post(shared_gateway)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "missing_required_parameter"


async def test_embeddings_of_a_chat_model_are_refused(shared_gateway):
    answer = await post(shared_gateway, model="chat", input="hi")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "wrong_model_type")
