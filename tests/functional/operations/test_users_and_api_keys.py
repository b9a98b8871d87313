"""Which keys may call which models, on the shared gateway and over sockets."""

from __future__ import annotations

import pytest
from openai import APIStatusError

from tests.support import sample

pytestmark = pytest.mark.both_modes

QUESTION = [{"role": "user", "content": "hi"}]


async def refusal(gateway, key, model="chat"):
    async with gateway.openai(key) as client:
        with pytest.raises(APIStatusError) as refused:
            await client.chat.completions.create(model=model, messages=QUESTION)
    return refused.value.status_code, refused.value.code


@pytest.mark.parametrize("key", [sample.ALICE, sample.BOB, sample.CHARLIE, sample.ONLY_CHAT_MODEL])
async def test_people_with_good_keys_are_answered(shared_gateway, key):
    async with shared_gateway.openai(key) as client:
        answer = await client.chat.completions.create(model="chat", messages=QUESTION)
    assert answer.model == "chat"
    assert answer.choices[0].message.content == " word" * 5


@pytest.mark.parametrize(
    ("key", "model", "status", "code"),
    [
        ("sk-nobody.nobody-secret", "chat", 401, "invalid_api_key"),
        ("sk-alice.wrong-secret", "chat", 401, "invalid_api_key"),
        ("nonsense", "chat", 401, "invalid_api_key"),
        (sample.EXPIRED, "chat", 401, "invalid_api_key"),
        (sample.SUSPENDED, "chat", 403, "tenant_suspended"),
        (sample.ONLY_EMBEDDINGS, "chat", 403, "scope_not_allowed"),
        (sample.ONLY_CHAT_MODEL, "m1", 403, "model_not_allowed"),
        (sample.ALICE, "nowhere", 404, "model_not_found"),
    ],
)
async def test_other_keys_are_refused_in_the_error_envelope(shared_gateway, key, model, status, code):
    assert await refusal(shared_gateway, key, model) == (status, code)


async def test_a_key_for_embeddings_embeds(shared_gateway):
    async with shared_gateway.openai(sample.ONLY_EMBEDDINGS) as client:
        answer = await client.embeddings.create(model="embed", input="hi")
    assert answer.usage.prompt_tokens == 4


async def test_people_see_only_the_models_they_may_use(shared_gateway):
    async with shared_gateway.openai(sample.ONLY_CHAT_MODEL) as client:
        assert [model.id async for model in client.models.list()] == ["chat"]
