"""The gateway's cap is the one cap of a request; with a large one the response is streamed."""

from __future__ import annotations

import msgspec
import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.messages import request_writer
from providers.conversation.messages.request_writer import LONG, streams
from tests.support.vendors.claude_calls import conversation, deployment, facts, written


@pytest.mark.parametrize(
    ("stated", "cap", "most", "sent"),
    [
        (None, None, 64_000, 64_000),
        (None, None, None, request_writer.USUAL_MAX_TOKENS),
        (500, None, 64_000, 500),
        (500, 20, 64_000, 20),
        (90_000, None, 64_000, 64_000),
        (None, 70_000, 64_000, 64_000),
    ],
)
def test_the_one_cap_is_the_gateways_then_the_clients_then_the_models(
    stated: int | None, cap: int | None, most: int | None, sent: int
) -> None:
    target = deployment(facts=facts(max_output_tokens=most))
    assert written(conversation(max_output_tokens=stated), target, cap)["max_tokens"] == sent


def test_long_answers_are_streamed() -> None:
    given, target = conversation(), deployment()
    assert streams(given, target, SentOptions(cap=LONG + 1))
    assert written(given, target, LONG + 1)["stream"] is True
    assert not streams(given, target, SentOptions(cap=LONG))
    assert "stream" not in written(given, target, LONG)
    assert streams(msgspec.structs.replace(given, stream=True), target, SentOptions(cap=1))
