"""Calls to Vertex AI over real sockets: tokens of a service account, its rules for bodies, its streams and errors."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from providers.auth.google import GoogleAuth
from providers.conversation.registry import CLIENTS
from providers.errors.exceptions import UpstreamFailed
from providers.model_facts import ModelFacts
from providers.platforms.vertex import VERTEX
from providers.probe import probe
from providers.registry import PROVIDERS
from providers.target import Secret, Target, Timeouts
from providers.upstream import Attempt
from tests.support.vendors.gemini_examples import GEMINI_3, HELLO, RESULTS, SIGNED, TOOLS, talk
from tests.support.vendors.gemini_streams import SIGNATURE, STREAM, USAGE, chunk
from tests.support.vendors.plain_client import CHAT, called, client, whole_stream
from tests.support.vendors.vertex import API_KEY, VertexServer

if TYPE_CHECKING:
    from providers.transport.client import Transport

LIMITS = Timeouts(connect=30, first_byte=30, idle=30, answer=30, total=60)
CONVERSATION = talk(HELLO, SIGNED, RESULTS, tools=TOOLS)
DOCUMENT = chunk(
    [{"text": "Hi"}, {"functionCall": {"name": "f", "args": {"x": "y"}}, "thoughtSignature": SIGNATURE}]
)
ANSWER = {**DOCUMENT, "usageMetadata": USAGE}
ANSWER["candidates"][0]["finishReason"] = "STOP"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLIENTS, CHAT, client(CONVERSATION))
    monkeypatch.setitem(PROVIDERS, "vertex", msgspec.structs.replace(VERTEX, auth=GoogleAuth()))


def target(server: VertexServer, facts: ModelFacts = GEMINI_3, **more: Any) -> Target:
    known = {"id": 7, "alias": "chat", "name": "v-1", "provider": "vertex", "upstream_model": "gemini-3-pro"}
    known |= {"metadata": {"gcp_credentials_json": server.account()}, "secret": Secret("")}
    return Target(**{**known, "base_url": server.root, "facts": facts, "timeouts": LIMITS, **more})


async def test_a_response_of_a_conversation_with_signed_calls(transport: Transport) -> None:
    async with VertexServer([ANSWER]) as server:
        call = await called(transport, [target(server)], output_cap=77)
        await call.aclose()

    assert call.answered is not None
    found = json.loads(call.answered.body)
    assert [block[:3] for block in found["blocks"]] == [
        ["text", "", "Hi"],
        ["thinking", "", ""],
        ["tool", "f", '{"x":"y"}'],
    ]
    assert found["blocks"][1][3] == SIGNATURE
    assert found["reason"] == "tool_calls"
    assert call.answered.usage is not None
    assert call.answered.usage.total_output_tokens == 212
    ((operation, body),) = server.bodies
    assert operation == "generateContent"
    assert body["generationConfig"] == {"maxOutputTokens": 77}


async def test_a_stream(transport: Transport) -> None:
    async with VertexServer(STREAM) as server:
        out = await whole_stream(await called(transport, [target(server)], stream=True))

    assert out.decode().splitlines() == [
        "+thinking ",
        "I look at the größe ✓",
        "+text ",
        "Two countries: 🎈",
        " first",
        "+thinking ",
        "+tool get_country",
        "{}",
        "+tool get_city",
        '{"b":1,"a":[null,"ü"]}',
        "=tool_calls",
        ".",
    ]
    assert server.bodies[0][0] == "streamGenerateContent"


async def test_calls_at_the_same_time_share_one_token(transport: Transport) -> None:
    async with VertexServer([ANSWER]) as server:
        calls = await asyncio.gather(*[called(transport, [target(server)]) for _ in range(20)])
        for call in calls:
            await call.aclose()

        assert len(server.bodies) == 20
        assert len(server.tokens) == 1


async def test_a_token_that_ended_is_replaced_once_within_the_attempt(transport: Transport) -> None:
    attempts: list[Attempt] = []
    async with VertexServer([ANSWER]) as server:
        to = target(server)
        await (await called(transport, [to])).aclose()
        server.revoke()
        await (await called(transport, [to], attempts=attempts)).aclose()

        assert len(server.tokens) == 2
    assert [attempt.outcome for attempt in attempts] == ["ok"]


async def test_a_credential_that_stays_refused_fails_after_one_more_try(transport: Transport) -> None:
    async with VertexServer([ANSWER]) as server:
        server.accepts_no_token = True
        with pytest.raises(UpstreamFailed) as failed:
            await called(transport, [target(server)])

        refused = sum(b":generateContent" in request for request in server.requests)
        assert (failed.value.code, refused) == ("upstream_auth_failed", 2)


async def test_an_account_that_google_refuses_reaches_no_model(transport: Transport) -> None:
    attempts: list[Attempt] = []
    async with VertexServer([ANSWER]) as server:
        server.refuses_tokens = True
        with pytest.raises(UpstreamFailed) as failed:
            await called(transport, [target(server)], attempts=attempts)

        assert (failed.value.code, failed.value.is_sure) == ("upstream_auth_failed", True)
        assert server.bodies == []
    assert not attempts[0].reached


async def test_an_api_key_needs_no_token(transport: Transport) -> None:
    async with VertexServer([ANSWER]) as server:
        to = target(server, metadata={}, secret=Secret(API_KEY.lower()))
        await (await called(transport, [to])).aclose()

        assert server.tokens == []
        assert len(server.bodies) == 1


OVERLOADED = (503, {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
IN_STREAM = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("chunks", [[IN_STREAM], [chunk(None, "MALFORMED_FUNCTION_CALL")], []])
async def test_a_failure_before_the_first_content_goes_to_the_next_deployment(
    transport: Transport, chunks: list[Any]
) -> None:
    attempts: list[Attempt] = []
    async with VertexServer(chunks) as broken, VertexServer(STREAM) as working:
        targets = [target(broken), target(working, id=8, name="v-2")]
        out = await whole_stream(await called(transport, targets, attempts=attempts, stream=True))

    assert out.endswith(b"=tool_calls\n.\n")
    assert [attempt.deployment for attempt in attempts] == ["v-1", "v-2"]


@pytest.mark.parametrize("rest", [[], [IN_STREAM]])
async def test_a_stream_that_breaks_after_content_has_no_end(transport: Transport, rest: list[Any]) -> None:
    async with VertexServer([*STREAM[:3], *rest]) as server:
        call = await called(transport, [target(server)], stream=True)
        out = call.first + b"".join([block async for block in call.rest()])
        await call.aclose()
    assert call.stream is not None
    assert out.endswith(b" first\n")
    assert not call.stream.done
    assert call.stream.final == b""


async def test_a_last_event_without_a_blank_line_is_sent_too(transport: Transport) -> None:
    async with VertexServer(STREAM) as server:
        server.ends_short = True
        out = await whole_stream(await called(transport, [target(server)], stream=True))

    assert out.endswith(b"=tool_calls\n.\n")


async def test_a_refused_status_is_retried_elsewhere(transport: Transport) -> None:
    attempts: list[Attempt] = []
    async with VertexServer([ANSWER]) as first, VertexServer([ANSWER]) as second:
        first.failures.append(OVERLOADED)
        targets = [target(first), target(second, id=8, name="v-2")]
        await (await called(transport, targets, attempts=attempts)).aclose()

    assert [attempt.deployment for attempt in attempts] == ["v-1", "v-2"]


async def test_the_probe_counts_a_word(transport: Transport) -> None:
    async with VertexServer() as server:
        await probe(transport, target(server), 30, can_chat=True)
        server.revoke()
        good = await probe(transport, target(server), 30, can_chat=True)
        absent = await probe(transport, target(server, upstream_model="gemini-x"), 30, can_chat=True)
        server.refuses_tokens = True
        wrong = await probe(
            transport,
            target(server, metadata={"gcp_credentials_json": server.account() + " "}),
            30,
            can_chat=True,
        )

        assert [operation for operation, _ in server.bodies] == ["countTokens"] * 2
    assert (good.is_ok, absent.status) == (True, 404)
    assert not wrong.is_ok
