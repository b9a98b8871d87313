"""Tokens of a prompt are counted for nothing but a request; models are listed in Anthropic's shape."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger

VERSION = {"anthropic-version": "2023-06-01"}
PROMPT = {"model": "m10", "messages": [{"role": "user", "content": "Hello, how are you?"}]}
PNG = "iVBORw0KGgo" + "A" * 400_000


async def count(gateway, body, key=sample.ALICE):
    async with gateway.client(key) as client:
        return await client.post("/v1/messages/count_tokens", json=body)


async def tokens(gateway, **members):
    answer = await count(gateway, PROMPT | members)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-gateway-estimated"] == "true"
    body = answer.json()
    assert set(body) == {"input_tokens"}
    return body["input_tokens"]


async def test_a_prompt_is_counted(shared_gateway):
    plain = await tokens(shared_gateway)
    assert 5 <= plain <= 20
    assert await tokens(shared_gateway, system="You are a poet and only speak in rhymes.") > plain
    tool = {"name": "get_weather", "description": "The weather", "input_schema": {"type": "object"}}
    assert await tokens(shared_gateway, tools=[tool]) > plain


async def test_a_picture_is_not_counted_as_text(shared_gateway):
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    assert await tokens(shared_gateway, messages=[{"role": "user", "content": content}]) < 5_000


async def test_a_prompt_that_is_too_long_for_the_model_is_counted(shared_gateway):
    text = "word " * 200_000
    assert await tokens(shared_gateway, messages=[{"role": "user", "content": text}]) > 100_000


async def test_no_provider_is_asked_and_nothing_is_spent(gateway_factory, upstream):
    gateway = gateway_factory({})
    before = len(upstream.seen())
    await tokens(gateway)
    assert len(upstream.seen()) == before
    assert await whole_ledger(gateway) == []


async def test_a_count_is_one_request_of_the_limit(gateway_factory):
    gateway = gateway_factory(
        {
            "bootstrap": {
                "tenants": [{"name": "few", "status": "active"}],
                "api_keys": [
                    {
                        "tenant": "few",
                        "prefix": "few",
                        "secret": "few-secret",
                        "rate_limit": {"requests_per_minute": 2, "tokens_per_minute": 1},
                    }
                ],
            }
        }
    )
    statuses = [(await count(gateway, PROMPT, "sk-few.few-secret")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize(
    ("change", "status"), [({"model": "none"}, 404), ({"model": "embed"}, 400), ({"messages": "x"}, 400)]
)
async def test_what_cannot_be_counted(shared_gateway, change, status):
    assert (await count(shared_gateway, PROMPT | change)).status_code == status


async def models(gateway, query="", key=sample.ALICE):
    async with gateway.client(key) as client:
        answer = await client.get(f"/v1/models{query}", headers=VERSION)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_models_in_pages(shared_gateway):
    whole = await models(shared_gateway, "?limit=1000")
    names = [model["id"] for model in whole["data"]]
    assert not whole["has_more"]
    assert (whole["first_id"], whole["last_id"]) == (names[0], names[-1])
    first = await models(shared_gateway, "?limit=3")
    assert [model["id"] for model in first["data"]] == names[:3]
    assert first["has_more"]
    second = await models(shared_gateway, f"?limit=3&after_id={first['last_id']}")
    assert [model["id"] for model in second["data"]] == names[3:6]
    back = await models(shared_gateway, f"?limit=2&before_id={second['first_id']}")
    assert [model["id"] for model in back["data"]] == names[1:3]
    assert back["has_more"]
    last = await models(shared_gateway, f"?after_id={names[-1]}")
    assert (last["data"], last["has_more"], last["first_id"], last["last_id"]) == ([], False, None, None)


async def test_one_model(shared_gateway):
    async with shared_gateway.client(sample.ALICE) as client:
        model = (await client.get("/v1/models/chat", headers=VERSION)).json()
    assert (model["type"], model["id"], model["display_name"]) == ("model", "chat", "chat")
    assert model["created_at"].endswith("Z")


async def test_a_key_sees_only_its_models(shared_gateway):
    assert [each["id"] for each in (await models(shared_gateway, key=sample.ONLY_CHAT_MODEL))["data"]] == [
        "chat"
    ]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=1001", "after_id=none", "after_id=chat&before_id=m1"]
)
async def test_a_page_that_is_none(shared_gateway, query):
    async with shared_gateway.client(sample.ALICE) as client:
        answer = await client.get(f"/v1/models?{query}", headers=VERSION)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
