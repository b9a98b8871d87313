"""Azure's Responses have no deployment in their address: the body names it."""

from __future__ import annotations

import json

import pytest

from providers.conversation.apis import SentOptions
from providers.conversation.content import Text
from providers.conversation.request import Conversation, Turn
from providers.conversation.responses.request_writer import write
from providers.dialects.base import Shape
from providers.dialects.responses.request import body_for
from providers.registry import PROVIDERS
from providers.target import Secret, Target

HOST = "https://r.openai.azure.com"


def target(version, **more):
    return Target(
        id=1, alias="a", name="row", provider="azure", upstream_model="gpt", base_url=HOST, secret=Secret("k"),
        api_version=version, metadata={"deployment": "mine"}, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "url", "more"),
    [
        ("2025-04-01-preview", f"{HOST}/openai/responses?api-version=2025-04-01-preview", {}),
        ("v1", f"{HOST}/openai/v1/responses", {"wire_model": "mine"}),
    ],
)
def test_the_address_and_the_model_of_both_apis(version, url, more):
    azure = target(version, **more)
    assert PROVIDERS["azure"].url(azure, "responses") == url
    assert PROVIDERS["azure"].url(azure, "responses/resp_1").startswith(url.partition("?")[0] + "/resp_1")
    passed = body_for(Shape(alias="a", path="responses"), b'{"model":"a","input":"hi"}', azure)
    written = write(Conversation(turns=(Turn("user", (Text("hi"),)),)), azure, SentOptions())
    assert json.loads(passed)["model"] == json.loads(written)["model"] == "mine"


def test_chat_keeps_its_deployment_in_the_address():
    url = PROVIDERS["azure"].url(target("2025-04-01-preview"), "chat/completions")
    assert url == f"{HOST}/openai/deployments/mine/chat/completions?api-version=2025-04-01-preview"
