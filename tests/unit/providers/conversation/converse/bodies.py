"""Bodies of Converse for conversations of tests, checked against the rules of the service."""

from __future__ import annotations

import base64
import json
from typing import Any

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    Document,
    Image,
    Part,
    Text,
)
from providers.conversation.converse.request_writer import write
from providers.conversation.request import (
    Conversation,
    Tool,
    Turn,
)
from providers.model_facts import ModelFacts
from providers.target import Secret, Target
from tests.support.vendors.converse_rules import fault_in

VENDORS = ["anthropic", "amazon", "meta", "mistral", "qwen", "openai", "writer", ""]
SCHEMA = (
    b'{"type":"object","properties":{"q":{"type":"string"}},"required":["q"],"additionalProperties":false}'
)
TOOL = Tool(name="search", description="finds", schema=SCHEMA)
PICTURE = Image(data=base64.b64encode(b"png").decode(), media_type="image/png")
PDF = Document(data=base64.b64encode(b"%PDF").decode(), media_type="application/pdf", name="my file?.pdf")


def target(vendor: str = "anthropic", **facts: Any) -> Target:
    known = ModelFacts(vendor=vendor, **{"max_output_tokens": 4_000, **facts})
    return Target(
        id=7, alias="a", name="d", provider="bedrock", upstream_model="m", base_url="https://b.example",
        secret=Secret(""), api="bedrock", facts=known,
    )  # fmt: skip


def user(*parts: Part | str) -> Turn:
    return Turn("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Part | str) -> Turn:
    return Turn("assistant", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def body(
    *turns: Turn, vendor: str = "anthropic", cap: int | None = None, facts: Any = None, **rest: Any
) -> Any:
    to = target(vendor, **(facts or {}))
    written = json.loads(write(Conversation(turns=turns, **rest), to, SentOptions(cap=cap)))
    assert fault_in(written, vendor) == ""
    return written


def contents(written: Any) -> list[list[Any]]:
    return [message["content"] for message in written["messages"]]
