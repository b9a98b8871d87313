"""Bodies of the Messages API for tests."""

from __future__ import annotations

import json
from typing import Any

from providers.conversation.messages.request_reader import read
from providers.conversation.request import Conversation, Stated

BODY: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
CAP = Stated("max_tokens", "max_tokens")
SCHEMA = {"type": "object", "properties": {"b": {}, "a": {}}}


def reading(**members: Any) -> Conversation:
    return read(json.dumps(BODY | members).encode(), None)


def content(*blocks: dict[str, Any], role: str = "user") -> Conversation:
    return reading(messages=[{"role": role, "content": list(blocks)}])


def stated(conversation: Conversation) -> dict[str, str]:
    return {each.name: each.member for each in conversation.stated if each != CAP}


def call(identity: str, given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": "f", "input": given}
