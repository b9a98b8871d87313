"""Calls reach Claude over a real socket: clients of its own API unchanged, and conversations of others translated."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from providers.call import Call
from providers.conversation.apis import ClientSide, StreamWriter, WriterContext
from providers.conversation.content import Text, Thinking, ToolCall, ToolResult
from providers.conversation.events import BlockDelta, BlockStarted, Ended, Event, Finished
from providers.conversation.folding import Message
from providers.conversation.registry import CLIENTS
from providers.conversation.request import Conversation, Reasoning, ResponseFormat, Tool
from providers.dialects.base import Shape
from providers.dialects.choice import Dialects
from providers.errors.exceptions import UpstreamFailed
from providers.isolation.ownership import THINKING
from providers.isolation.tenant_salt import Salts
from providers.outgoing import Outgoing, ResponseKind
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Plan
from providers.target import Secret, Target, Timeouts
from providers.transport.client import Transport
from providers.upstream import open_call
from tests.integration.providers.raw_server import Peer, RawServer, Script
from tests.support.vendors.anthropic import KEY, THOUGHT, Api, event, message
from tests.support.vendors.claude_calls import conversation, deployment, turn

BLOCKS: list[dict[str, Any]] = [THOUGHT, {"type": "text", "text": "Hello there."}]
CALLS: list[dict[str, Any]] = [
    THOUGHT,
    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"at": "Rome"}},
]
SALT = Salts(b"secret").for_tenant(1)
TIMEOUTS = Timeouts(connect=2, first_byte=5, answer=5, idle=5, total=10)


class PlainWriter(StreamWriter):
    """Writes the texts of a stream one after the other."""

    def __init__(self) -> None:
        self.final = b""

    @override
    def write(self, event: Event) -> bytes:
        if isinstance(event, BlockStarted):
            return f"[{event.kind} {event.name}]".encode()
        if isinstance(event, BlockDelta):
            return event.text.encode()
        if isinstance(event, Ended):
            self.final = b"!"
        return f"({event.reason})".encode() if isinstance(event, Finished) else b""

    @override
    def failed(self, body: bytes) -> bytes:
        return body


def document(whole: Message, _context: WriterContext) -> bytes:
    texts = [f"[{block.kind} {block.name}]{block.text}" for block in whole.choice().blocks]
    return "".join([*texts, f"({whole.choice().reason})"]).encode()


def unread(_raw: bytes, _ownership: object) -> Conversation:
    raise AssertionError("the conversation is given")


@pytest.fixture(autouse=True)
def plain_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLIENTS, "plain", ClientSide("plain", unread, lambda _: PlainWriter(), document))
    monkeypatch.setattr("providers.dialects.choice.TRANSLATABLE", frozenset({"messages", "plain"}))


def at(server: RawServer, **more: Any) -> Target:
    base = server.url.removesuffix("/v1/chat/completions")
    return deployment(**{"base_url": base, "timeouts": TIMEOUTS, **more})


async def call(
    transport: Transport, target: Target, raw: bytes, given: Conversation | None = None, **more: Any
) -> tuple[Call, bytes]:
    """Make a call; return it with all that the client gets before the last bytes."""
    streams = bool(more.get("stream"))
    shape = Shape(**{"alias": "claude", "path": "messages", "salt": SALT, **more})
    api = "messages" if given is None else "plain"
    dialects = Dialects(shape, client_api=api, conversation=given)
    outgoing = Outgoing(request_id="req-1", raw=raw, answer=ResponseKind.of(streams=streams))
    made = await open_call(transport, dialects, outgoing, Plan(targets=[target]), [], DeploymentHealth())
    out = made.answered.body if made.answered is not None else made.first
    if made.stream is not None:
        out += b"".join([block async for block in made.rest()])
    await made.aclose()
    return made, out


def body(*messages: dict[str, Any], **more: Any) -> bytes:
    history = messages or ({"role": "user", "content": "hi"},)
    return json.dumps({"model": "claude", "max_tokens": 100, "messages": history, **more}, indent=1).encode()


CAPPED: dict[str, Any] = {"stated_cap": 100, "cap_names": ("max_tokens",)}


async def test_a_message_passes_in_both_directions(transport: Transport) -> None:
    api = Api(BLOCKS)
    async with RawServer(api) as server:
        made, out = await call(transport, at(server), body(), **CAPPED)
    assert api.raw == [body().replace(b'"claude"', b'"claude-up"')]
    assert json.loads(out)["model"] == "claude"
    assert json.loads(out)["content"][1] == BLOCKS[1]
    assert made.answered is not None
    assert made.answered.usage is not None
    assert made.answered.usage.total_output_tokens == 9
    assert f"x-api-key: {KEY}" in api.heads[0]


async def test_a_stream_passes_and_its_thinking_comes_back(transport: Transport) -> None:
    api = Api(CALLS, "tool_use")
    async with RawServer(api) as server:
        made, out = await call(transport, at(server), body(stream=True), stream=True, **CAPPED)
        assert made.stream is not None
        whole = out + made.stream.final
        assert whole.endswith(event("message_stop"))
        signed = SALT.ownership.mark("sig-1", 7, THINKING)
        assert f'"{signed}"'.encode() in whole
        history = [{"type": "thinking", "thinking": "Hm.", "signature": signed}, CALLS[1]]
        again = body(
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": history},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]},
            tools=[{"name": "weather", "input_schema": {"type": "object"}}],
            thinking={"type": "enabled", "budget_tokens": 1024},
        ).replace(b'"max_tokens": 100', b'"max_tokens": 2000')
        for number, thinks in ((7, True), (9, False)):
            await call(transport, at(server, id=number), again)
            sent = api.bodies[-1]
            assert (sent["messages"][1]["content"][0]["type"] == "thinking") is thinks
            assert (sent["thinking"]["type"] == "enabled") is thinks


async def test_the_clients_version_and_beta_flags_go_upstream(transport: Transport) -> None:
    api = Api(BLOCKS)
    given = {"anthropic-version": "2026-10-21", "anthropic-beta": "a-1,b-2"}
    async with RawServer(api) as server:
        await call(transport, at(server), body(), client_headers=given)
        token = at(server, metadata={"auth": "bearer"}, secret=Secret("tok"))
        with pytest.raises(UpstreamFailed):
            await call(transport, at(server, secret=Secret("wrong")), body())
        await call(transport, token, body())
    assert "anthropic-version: 2026-10-21" in api.heads[0]
    assert "anthropic-beta: a-1,b-2" in api.heads[0]
    assert "authorization: bearer tok" in api.heads[-1]
    assert "x-api-key" not in api.heads[-1]


async def test_claude_on_azure_has_its_own_path(transport: Transport) -> None:
    api = Api(BLOCKS, path="/anthropic/v1/messages", key_header="api-key")
    async with RawServer(api) as server:
        target = at(server, provider="azure", api_version="v1", metadata={"deployment": "my-claude"})
        await call(transport, msgspec.structs.replace(target, wire_model="my-claude"), body())
    assert api.bodies[0]["model"] == "my-claude"
    assert f"api-key: {KEY}" in api.heads[0]


async def test_a_document_in_place_of_a_stream_and_a_stream_in_place_of_a_document(
    transport: Transport,
) -> None:
    whole = json.dumps(message(BLOCKS)).encode()

    async def answers(peer: Peer) -> None:
        await peer.request()
        await peer.answer(whole)

    async def streams(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        for part in (b"event: ping\ndata: {}\n\n", event("message_start", message=message([]))):
            await peer.chunk(part)
        await peer.chunk(event("content_block_start", index=0, content_block=BLOCKS[1]))
        await peer.chunk(
            event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3})
        )
        await peer.chunk(event("message_stop"))
        await peer.send(b"0\r\n\r\n")

    async with RawServer(answers) as server:
        made, out = await call(transport, at(server), body(stream=True), stream=True)
        assert made.stream is not None
        assert made.stream.done
        assert b"Hello there." in out
    async with RawServer(streams) as server:
        made, out = await call(transport, at(server), body())
        assert json.loads(out)["content"] == [BLOCKS[1]]
        assert made.answered is not None
        assert made.answered.usage is not None
        assert made.answered.usage.total_output_tokens == 3


@pytest.mark.parametrize("given", [None, conversation(stream=True)])
async def test_an_error_before_content_fails_and_one_after_it_breaks_the_stream(
    transport: Transport, given: Conversation | None
) -> None:
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    begun = event("message_start", message=message([]))
    text = event("content_block_start", index=0, content_block={"type": "text", "text": "a"})

    def says(*parts: bytes) -> Script:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.start_stream()
            for part in parts:
                await peer.chunk(part)
            await peer.send(b"0\r\n\r\n")

        return script

    async with RawServer(says(begun, error)) as server:
        with pytest.raises(UpstreamFailed):
            await call(transport, at(server), body(stream=True), given, stream=True)
    for last in (error, b""):
        parts = [begun, text, *([last] if last else [])]
        async with RawServer(says(*parts)) as server:
            made, _ = await call(transport, at(server), body(stream=True), given, stream=True)
        assert made.stream is not None
        assert made.stream.started
        assert not made.stream.done
        assert (made.stream.failure is not None) is bool(last)


TOOLS = (Tool("weather", "Tells it.", b'{"properties":{"at":{"type":"string"}}}', strict=None),)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_conversation_is_translated(transport: Transport, streams: bool) -> None:  # noqa: FBT001
    api = Api(CALLS, "tool_use")
    given = conversation(
        turn("user", "hi"),
        turn(
            "assistant", Thinking(text="Hm.", signature="sig-1", owner=7), ToolCall("call:1", "weather", "{}")
        ),
        turn("user", "and", ToolResult("call:1", (Text("ok"),))),
        tools=TOOLS,
        system=(Text("s"),),
        reasoning=Reasoning(effort="low"),
        stream=streams,
    )
    async with RawServer(api) as server:
        made, out = await call(transport, at(server), b"", given, stream=streams, output_cap=5_000)
    assert out == b'[thinking ]Hm.[tool weather]{"at": "Rome"}(tool_calls)'.replace(b": ", b": ")
    assert api.bodies[0]["max_tokens"] == 5_000
    assert api.bodies[0]["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    usage = made.stream.usage if made.stream is not None else made.answered and made.answered.usage
    assert usage
    assert usage.total_output_tokens == 9


async def test_a_long_answer_is_streamed_and_comes_as_one_document(transport: Transport) -> None:
    long = [{"type": "text", "text": "x" * 400_000}]
    api = Api(long)
    async with RawServer(api) as server:
        made, out = await call(transport, at(server), b"", conversation(), output_cap=20_000)
    assert api.bodies[0]["stream"] is True
    assert len(out) > 400_000
    assert made.answered is not None
    assert made.answered.usage is not None
    assert made.answered.usage.total_output_tokens == 9


async def test_a_schema_comes_back_as_text_where_a_tool_holds_it(transport: Transport) -> None:
    api = Api([])
    given = conversation(response_format=ResponseFormat(b'{"type":"object"}'))
    async with RawServer(api) as server:
        await call(transport, at(server, facts=deployment("old").facts), b"", given, output_cap=50)
        name = api.bodies[0]["tools"][0]["name"]
        answers = Api([{"type": "tool_use", "id": "t", "name": name, "input": {"n": 1}}], "tool_use")
    async with RawServer(answers) as server:
        _, out = await call(transport, at(server, facts=deployment("old").facts), b"", given, output_cap=50)
    assert out.replace(b" ", b"") == b'[text]{"n":1}(stop)'
