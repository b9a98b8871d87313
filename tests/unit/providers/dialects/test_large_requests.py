"""A large request is read and written in another process: what crosses gives the same request, and no credential."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from gateway.parsing.heavy_process import WORK
from providers.conversation.apis import SentOptions
from providers.conversation.parameters import Unsupported
from providers.conversation.registry import CLIENTS, UPSTREAMS
from providers.conversation.salted import salted
from providers.dialects.large_requests import body_for, head_of
from providers.isolation.tenant_salt import Salt
from providers.processes.heavy_work import Share
from providers.requests.money_classes import Unacceptable
from providers.target import Secret, Target

SALT = Salt(b"k" * 32)
SECRET = "sk-of-the-account"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
CHAT = {
    "model": "m",
    "max_completion_tokens": 7,
    "user": "an end user",
    "stop": ["END"],
    "messages": [
        {"role": "system", "content": "Be kind"},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, IMAGE]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
}
MESSAGES = {
    "model": "m",
    "max_tokens": 7,
    "system": [{"type": "text", "text": "Be kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [{"role": "user", "content": "Hi"}],
}
RESPONSES = {"model": "m", "input": "Hi", "instructions": "Be\nkind", "max_output_tokens": 7, "store": False}
BODIES = {"chat": CHAT, "messages": MESSAGES, "responses": RESPONSES}
PAIRS = [(client, upstream) for client in BODIES for upstream in UPSTREAMS]


class OtherProcess(Share):
    """Runs the jobs as the other process does: what goes there and comes back is MessagePack."""

    __slots__ = ("went",)

    def __init__(self) -> None:
        self.went = b""

    @override
    async def run(self, result_type: type[Any], work: str, raw: bytes, *arguments: Any) -> Any:
        self.went = msgspec.msgpack.encode(arguments)
        job = WORK[work]
        result = job(raw, *msgspec.msgpack.decode(self.went))
        return msgspec.msgpack.decode(msgspec.msgpack.encode(result), type=result_type)


def target(provider: str = "bedrock", metadata: dict[str, str] | None = None) -> Target:
    return Target(
        id=3,
        alias="m",
        name="d",
        provider=provider,
        upstream_model="up",
        base_url="https://u",
        secret=Secret(SECRET),
        same_account=frozenset({3, 4}),
        metadata=metadata or {},
    )


@pytest.mark.parametrize("client", BODIES)
def test_the_head_is_the_conversation_without_its_turns(client):
    raw = json.dumps(BODIES[client]).encode()
    head = asyncio.run(head_of(OtherProcess(), raw, client, SALT))
    whole = CLIENTS[client].read(raw, SALT.ownership)
    assert whole.turns
    assert head == msgspec.structs.replace(whole, system=(), turns=())


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_the_body_is_the_one_that_this_process_would_write(client, upstream):
    raw, sent = json.dumps(BODIES[client]).encode(), SentOptions(cap=5, headers={"anthropic-beta": "x"})
    provider = {"anthropic_messages": "anthropic", "gemini": "vertex"}.get(upstream, "bedrock")
    made = target(provider=provider, metadata={"request_metadata": "user", "vertex_labels": "a=b"})
    written = asyncio.run(body_for(OtherProcess(), raw, client, upstream, made, sent, SALT))
    conversation = salted(CLIENTS[client].read(raw, SALT.ownership), SALT)
    assert written == UPSTREAMS[upstream].write(conversation, made, sent)


def test_no_credential_of_the_target_goes_there():
    there, secret = OtherProcess(), "of-the-row"
    metadata = {"aws_secret_access_key": secret, "gcp_credentials_json": secret, "vertex_labels": "a=b"}
    raw, made = json.dumps(CHAT).encode(), target(metadata=metadata)
    asyncio.run(body_for(there, raw, "chat", "bedrock_converse", made, SentOptions(), None))
    assert b"a=b" in there.went
    assert SECRET.encode() not in there.went
    assert secret.encode() not in there.went


def test_what_a_reader_refuses_is_refused_by_name():
    raw = json.dumps(CHAT | {"reasoning_effort": "enormous"}).encode()
    with pytest.raises(Unacceptable, match="expected one of") as refusal:
        asyncio.run(head_of(OtherProcess(), raw, "chat", SALT))
    assert refusal.value.param == "reasoning_effort"


def test_what_a_writer_refuses_is_refused_by_name(monkeypatch):
    def refuse(*_):
        raise Unsupported("messages[2]", "takes no such turn")

    side = msgspec.structs.replace(UPSTREAMS["gemini"], write=refuse)
    monkeypatch.setitem(UPSTREAMS, "gemini", side)
    ask = body_for(OtherProcess(), json.dumps(CHAT).encode(), "chat", "gemini", target(), SentOptions(), SALT)
    with pytest.raises(Unsupported) as refusal:
        asyncio.run(ask)
    assert (refusal.value.member, refusal.value.why) == ("messages[2]", "takes no such turn")
