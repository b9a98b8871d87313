"""A call that falls back to a provider with another API gets that API's body and reads that API's events.

The toy API wraps the request, and frames each event of a stream as a line `EVENT <json>`, with `END` at its end.
"""

from __future__ import annotations

import asyncio
import hmac
import json

import msgspec
import pytest
from typing_extensions import override

from providers import request_additions
from providers.auth.scheme import Authenticator, Signable
from providers.conversation.registry import UPSTREAMS
from providers.dialects import choice
from providers.dialects.base import Answered, Shape
from providers.dialects.choice import Dialects
from providers.dialects.openai.passthrough import DONE, OpenAIToOpenAI
from providers.dialects.openai.stream import OpenAIStream
from providers.errors.exceptions import UpstreamFailed
from providers.outgoing import Outgoing, ResponseKind
from providers.registry import PROVIDERS
from providers.request_additions import Added
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Plan
from providers.target import Secret, Target, Timeouts
from providers.upstream import Attempt, open_call
from tests.integration.providers.raw_server import Peer, RawServer
from tests.integration.providers.test_upstream import BODY, CHUNK, says, target

CHAT = json.loads(CHUNK.removeprefix(b"data: "))
USAGE = {"model": "up", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
LAST = CHAT | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


class ToyStream(OpenAIStream):
    """Reads `EVENT <json>` lines; what it passes on are the client's events."""

    _line = b""

    @override
    def feed(self, block: bytes) -> bytes:
        *lines, self._line = (self._line + block).split(b"\n")
        events = [
            DONE if line == b"END" else b"data: " + line.removeprefix(b"EVENT ") + b"\n\n" for line in lines
        ]
        return super().feed(b"".join(events))


class Toy(OpenAIToOpenAI):
    """Wraps the request in `toy` and takes the response out of it."""

    @override
    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        return b'{"toy":' + super().request(raw, target, added) + b"}"

    @override
    def response(self, raw: bytes) -> Answered:
        return super().response(json.dumps(json.loads(raw)["toy"]).encode())

    @override
    def stream(self) -> ToyStream:
        return ToyStream(self._shape, self._grant_memory, self._max_event)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(choice.FACTORIES, (choice.CHAT, "toy"), Toy)
    row = msgspec.structs.replace(PROVIDERS["openai-compatible"], name="toy", api="toy")
    monkeypatch.setitem(PROVIDERS, "toy", row)
    monkeypatch.setitem(request_additions._USUAL, "toy", Added("max_tokens"))  # noqa: SLF001


async def calls(transport, broken, working, *, streams):
    shape = Shape(alias="chat", path="chat/completions", stream=streams)
    outgoing = Outgoing(request_id="req-1", raw=BODY, answer=ResponseKind.of(streams=streams))
    targets = [target("first", broken), msgspec.structs.replace(target("second", working), provider="toy")]
    attempts: list[Attempt] = []
    health = DeploymentHealth()
    call = await open_call(transport, Dialects(shape), outgoing, Plan(targets=targets), attempts, health)
    assert [attempt.deployment for attempt in attempts] == ["first", "second"]
    return call


async def test_a_fallback_gets_the_body_and_the_response_of_its_own_api(transport):
    bodies = []

    async def toy_server(peer: Peer) -> None:
        bodies.append(json.loads((await peer.request()).partition(b"\r\n\r\n")[2]))
        answer = CHAT | {"choices": [{"message": {"content": "hi"}}], "usage": USAGE["usage"]}
        await peer.answer(json.dumps({"toy": answer}).encode())

    async with RawServer(says(b"500 Broken")) as broken, RawServer(toy_server) as working:
        call = await calls(transport, broken, working, streams=False)
        await call.aclose()
    assert bodies == [{"toy": json.loads(BODY) | {"model": "up"}}]
    answered = call.answered
    assert answered is not None
    assert json.loads(answered.body)["model"] == "chat"
    assert answered.usage is not None
    assert answered.usage.total_output_tokens == 1


async def test_a_stream_of_another_api_reaches_the_client_as_its_own_events(transport):
    async def toy_server(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        for event in (CHAT, LAST, USAGE):
            line = b"EVENT " + json.dumps(event).encode() + b"\n"
            for half in (line[:9], line[9:]):
                await peer.chunk(half)
        await peer.send(b"4\r\nEND\n\r\n", b"0\r\n\r\n")

    async with RawServer(says(b"500 Broken")) as broken, RawServer(toy_server) as working:
        call = await calls(transport, broken, working, streams=True)
        out = call.first + b"".join([block async for block in call.rest()])
        await call.aclose()
    events = [json.loads(line[6:]) for line in out.split(b"\n\n") if line.startswith(b"data: {")]
    assert events[0]["model"] == "chat"
    assert events[0]["choices"][0]["delta"] == {"content": "hi"}
    assert call.stream is not None
    assert call.stream.usage is not None
    assert call.stream.usage.total_output_tokens == 1


def test_every_provider_has_a_dialect_for_every_api_of_clients():
    rows = [row for name, row in PROVIDERS.items() if name != "toy" and "llm" not in row.model_types]
    assert [row.name for row in rows if (choice.EMBEDDINGS, row.api) not in choice.FACTORIES] == []


def test_clients_of_claudes_api_pass_bytes_to_claude():
    claude = Target(
        id=1,
        alias="c",
        name="c",
        provider="anthropic",
        upstream_model="m",
        base_url="http://h",
        secret=Secret(""),
    )
    assert choice.upstream_api("messages", claude, has_tools=False) == "anthropic_messages"
    assert ("messages", "anthropic_messages") in choice.FACTORIES
    assert choice.upstream_api("chat", claude, has_tools=False) in UPSTREAMS


class BodySigner(Authenticator):
    """Waits for a token, then signs the body with it, as cloud providers ask."""

    waits = True

    def __init__(self, token: asyncio.Future[bytes]) -> None:
        self._token = token

    @override
    async def sign(self, request: Signable, target: Target) -> None:
        digest = hmac.digest(await asyncio.shield(self._token), request.body, "sha256")
        request.headers["authorization"] = f"TOY {digest.hex()}"


async def test_a_scheme_may_wait_for_a_token_and_sign_the_body(transport, monkeypatch):
    token: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    row = msgspec.structs.replace(PROVIDERS["toy"], auth=BodySigner(token))
    monkeypatch.setitem(PROVIDERS, "toy", row)
    seen = []

    async def toy_server(peer: Peer) -> None:
        seen.append(await peer.request())
        await peer.answer(json.dumps({"toy": {"model": "up", "choices": [{}]}}).encode())

    async with RawServer(says(b"500 Broken")) as broken, RawServer(toy_server) as working:
        calling = asyncio.create_task(calls(transport, broken, working, streams=False))
        await asyncio.sleep(0)
        token.set_result(b"secret")
        await (await calling).aclose()
    head, _, body = seen[0].partition(b"\r\n\r\n")
    expected = hmac.digest(b"secret", body, "sha256").hex().encode()
    assert b"authorization: TOY " + expected in head.lower().replace(b"toy", b"TOY")


async def test_a_token_that_does_not_come_ends_the_attempt_and_nothing_was_sent(transport, monkeypatch):
    never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    monkeypatch.setitem(PROVIDERS, "toy", msgspec.structs.replace(PROVIDERS["toy"], auth=BodySigner(never)))
    async with RawServer(says(b"200 OK")) as working:
        hasty = msgspec.structs.replace(
            target("only", working),
            provider="toy",
            timeouts=Timeouts(connect=0.01, first_byte=5, idle=5, total=10),
        )
        shape = Shape(alias="chat", path="chat/completions")
        outgoing = Outgoing(request_id="req-1", raw=BODY)
        attempts: list[Attempt] = []
        with pytest.raises(UpstreamFailed, match="connect timeout"):
            await open_call(
                transport, Dialects(shape), outgoing, Plan(targets=[hasty]), attempts, DeploymentHealth()
            )
    assert {(attempt.outcome, attempt.reached) for attempt in attempts} == {("upstream_timeout", False)}
