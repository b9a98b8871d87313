"""A prompt that a provider flags counts for its tenant only: other tenants keep the model."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.unit.providers.test_blame import OPENROUTER

pytestmark = pytest.mark.both_modes

FLAGS = {
    "openrouter": {"kind": "status", "status": 403, "body": OPENROUTER},
    "code": {
        "kind": "status",
        "status": 403,
        "body": {"error": {"code": "content_policy_violation", "message": "x"}},
    },
    "words": {"kind": "status", "status": 403, "body": {"error": {"message": "Your prompt was flagged."}}},
    "firewall": {"kind": "html", "status": 403},
}


@pytest.mark.parametrize("how", FLAGS)
@pytest.mark.parametrize("stream", [False, True])
async def test_flagged_prompts_block_the_model_for_no_tenant(shared_gateway, upstream, how, stream):
    model = sample.FAILING[54 + list(FLAGS).index(how)]
    upstream.script(f"up-{model}", FLAGS[how])
    async with shared_gateway.client(sample.ALICE) as sender, shared_gateway.client(sample.BOB) as other:
        for _ in range(8):
            answer = await sender.post("/v1/chat/completions", json=question(model, stream=stream))
            assert answer.status_code == 403
            assert "credential" not in answer.text
        upstream.script(f"up-{model}", {})
        answers = [await other.post("/v1/chat/completions", json=question(model)) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 12
