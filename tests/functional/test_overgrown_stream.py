"""A provider that produces beyond the cap it was given cannot spend a budget that is not there."""

from __future__ import annotations

import openai
import pytest

from tests import town
from tests.money import NANO

pytestmark = pytest.mark.both_modes

KEY = "sk-grow.grow-secret"


async def drink(client):
    stream = await client.chat.completions.create(
        model="overgrown", messages=[{"role": "user", "content": "go"}], max_tokens=10, stream=True
    )
    async with stream:
        async for _ in stream:
            pass


async def test_a_stream_that_outgrows_its_hold_is_ended_when_the_budget_cannot_pay(fresh_gateway, upstream):
    """120 tokens are held for 10; a tenth of a cent buys about 500."""
    upstream.script("up-overgrown", {"chunks": 4000, "pause": 0.002, "prompt_tokens": 10, "ignore_cap": True})
    gateway = fresh_gateway(
        {
            **town.NO_LIMITS,
            "model_catalog": [town.row("overgrown", "up-overgrown", upstream.base_url)],
            "bootstrap": {
                "tenants": [{"name": "grow"}],
                "api_keys": [town.key("grow", KEY)],
                "tenant_budgets": [{"tenant": "grow", "budget_usd": 1_000_000 / NANO}],
            },
        },
        bare=True,
    )

    async with gateway.openai(KEY) as client:
        with pytest.raises(openai.APIError) as caught:
            await drink(client)

    assert "budget" in str(caught.value).lower()
    await upstream.wait("closed", model="up-overgrown")
