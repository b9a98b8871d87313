"""POST /v1/embeddings served by Amazon Bedrock: a whole gateway, its bill, and the official client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.providers.raw_server import RawServer
from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.vendors.bedrock import KEYS, Bedrock, Reply, refusal


def embeds(_model: str, _operation: str, body: Any) -> Reply:
    if body["inputText"] == "refused":
        return refusal(429, "ThrottlingException", "slow down")
    return 200, {}, json.dumps({"embedding": [0.5, -1.0], "inputTextTokenCount": 4}).encode()


@pytest.fixture
async def bedrock():
    server = Bedrock(embeds)
    async with RawServer(server.script) as listening:
        server.port = listening.port
        yield server


@pytest.fixture
def gateway(gateway_factory, bedrock):
    row = {
        "alias": "titan",
        "provider": "bedrock",
        "provider_model": "amazon.titan-embed-text-v2:0",
        "region": "us-east-1",
        "model_type": "embedding",
        "endpoint": f"http://127.0.0.1:{bedrock.port}",
        "metadata": KEYS,
        "price_input": 2.0,
        "price_output": 0,
        "price_per": "1m",
    }
    return gateway_factory({"model_catalog": [row]})


async def test_a_call_of_many_texts_is_one_row_with_the_sum_of_their_tokens(gateway, bedrock):
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/embeddings", json={"model": "titan", "input": ["a"] * 20})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) == 20
    assert len(bedrock.seen) == 20
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["input_tokens"], row["cost_nanousd"], row["unsettled_nanousd"]) == (80, 160_000, 0)
    assert (row["attempts"], row["estimated"]) == (1, False)


async def test_the_official_client_reads_both_encodings(gateway, bedrock):
    async with gateway.openai(sample.ALICE) as client:
        packed = await client.embeddings.create(model="titan", input="hi")
        plain = await client.embeddings.create(model="titan", input="hi", encoding_format="float")
    assert packed.data[0].embedding == plain.data[0].embedding == [0.5, -1.0]
    assert len(bedrock.seen) == 2


async def test_what_cannot_be_translated_is_refused_by_name(gateway, bedrock):
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/embeddings", json={"model": "titan", "input": [1, 2]})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_parameter", "input")
    assert bedrock.seen == []


async def test_what_was_used_before_a_refusal_is_billed(gateway, bedrock):
    texts = ["a", "b", "c", "d", "e", "f", "g", "refused"]  # no more than are sent at once
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/embeddings", json={"model": "titan", "input": texts})
    assert answer.status_code == 429
    row = await row_of(gateway, answer.headers["x-request-id"])
    others = [body for _, _, body in bedrock.seen if body["inputText"] != "refused"]
    assert row["input_tokens"] == 4 * len(others)
    assert (row["cost_nanousd"], row["unsettled_nanousd"]) == (8_000 * len(others), 0)
