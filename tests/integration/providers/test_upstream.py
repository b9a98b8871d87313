"""A call tries its deployments in order, over real sockets, and stops at the first that shows content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from providers.call import Call
from providers.dialects.base import Shape
from providers.dialects.choice import Dialects
from providers.errors.exceptions import UpstreamFailed
from providers.outgoing import Outgoing, ResponseKind
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Plan
from providers.target import Secret, Target, Timeouts
from providers.upstream import Attempt, open_call
from tests.integration.providers.raw_server import Peer, RawServer, Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from providers.transport.client import Transport

BODY = b'{"model":"chat","messages":[]}'
ANSWER = b'{"model":"up","choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
CHUNK = b'data: {"model":"up","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
LIMITS = Timeouts(connect=2, first_byte=5, idle=5, total=10)


def target(name: str, server: RawServer) -> Target:
    return Target(
        id=len(name) * 1000 + sum(name.encode()),
        alias="chat",
        name=name,
        provider="openai-compatible",
        upstream_model="up",
        base_url=server.url.removesuffix("/chat/completions"),
        secret=Secret(""),
        timeouts=LIMITS,
    )


async def calls(
    transport: Transport, targets: Sequence[Target], attempts: list[Attempt], *, streams: bool = False
) -> Call:
    shape = Shape(alias="chat", path="chat/completions", stream=streams)
    outgoing = Outgoing(request_id="req-1", raw=BODY, answer=ResponseKind.of(streams=streams))
    plan = Plan(targets=targets)
    return await open_call(transport, Dialects(shape), outgoing, plan, attempts, DeploymentHealth())


async def answers(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.answer(ANSWER)


async def streams_one_word(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.start_stream()
        await peer.chunk(CHUNK)
        await peer.send(b"%x\r\n%b\r\n" % (len(DONE), DONE), b"0\r\n\r\n")


def says(head: bytes, body: bytes = b"") -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n" % (head, len(body)), body)
        await peer.until_gone()

    return script


async def hangs_up(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def breaks_before_content(peer: Peer) -> None:
    await peer.request()
    await peer.start_stream()
    await peer.chunk(b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n')
    peer.reset()


NAN_IN_WORDS = b'{"error":{"message":"usage: top_p is NaN, must be a number"}'
HALF_OF_AN_EMOJI = b'{"error":{"message":"usage: \\ud83d\\ude00 is not'


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(says(b"500 Oh", NAN_IN_WORDS), id="an error that is cut behind a text with NaN in it"),
        pytest.param(
            says(b"500 Oh", HALF_OF_AN_EMOJI), id="an error that is cut behind a letter of two halves"
        ),
        pytest.param(says(b"200 OK", NAN_IN_WORDS), id="an answer that is cut behind such a text"),
        pytest.param(
            says(b"200 OK", HALF_OF_AN_EMOJI), id="an answer that is cut behind a letter of two halves"
        ),
        pytest.param(says(b"200 OK", b"[" * 600 + b"]" * 600), id="lists in lists in the place of an answer"),
    ],
)
async def test_unreadable_answer_fails_over(transport: Transport, broken: Script) -> None:
    async with RawServer(broken) as first, RawServer(answers) as second:
        attempts: list[Attempt] = []
        call = await calls(transport, [target("first", first), target("second", second)], attempts)
        await call.aclose()
    assert [attempt.outcome for attempt in attempts] == ["upstream_error", "ok"]


@pytest.mark.parametrize(
    ("broken", "outcome"),
    [
        (hangs_up, "upstream_error"),
        (says(b"503 Busy"), "upstream_error"),
        (says(b"429 Slow"), "upstream_rate_limited"),
        (says(b"401 No"), "upstream_auth_failed"),
        (says(b"404 No"), "upstream_model_not_found"),
        (says(b"302 Found"), "upstream_error"),
        (says(b"200 OK", b"<html>maintenance</html>"), "upstream_error"),
    ],
    ids=["reset", "503", "429", "401", "404", "302", "html"],
)
async def test_failure_that_another_deployment_may_not_have_fails_over(
    transport: Transport, broken: Script, outcome: str
) -> None:
    attempts: list[Attempt] = []
    async with RawServer(broken) as first, RawServer(answers) as second:
        call = await calls(transport, [target("a", first), target("b", second)], attempts)

        assert call.answered is not None
        assert b'"model":"chat"' in call.answered.body
    assert [(attempt.deployment, attempt.outcome) for attempt in attempts] == [("a", outcome), ("b", "ok")]


async def test_a_clients_own_mistake_goes_nowhere_else_however_long_the_refusal_is(
    transport: Transport,
) -> None:
    long_refusal = b'{"error":{"message":"' + b"x" * 400_000 + b'"}}'
    attempts: list[Attempt] = []
    async with (
        RawServer(says(b"400 Bad Request", long_refusal)) as first,
        RawServer(answers) as second,
    ):
        with pytest.raises(UpstreamFailed) as caught:
            await calls(transport, [target("a", first), target("b", second)], attempts)

        assert second.requests == []
    assert caught.value.passthrough is not None
    assert (caught.value.passthrough.status, len(attempts)) == (400, 1)


async def test_a_stream_that_breaks_before_its_content_starts_again_elsewhere(transport: Transport) -> None:
    attempts: list[Attempt] = []
    async with RawServer(breaks_before_content) as first, RawServer(streams_one_word) as second:
        call = await calls(transport, [target("a", first), target("b", second)], attempts, streams=True)
        await call.aclose()

    assert b'"content":"hi"' in call.first
    assert b"assistant" not in call.first  # nothing of the broken one
    assert [attempt.outcome for attempt in attempts] == ["upstream_error", "ok"]


async def test_streams_in_a_row_share_one_connection(transport: Transport) -> None:
    async with RawServer(streams_one_word) as server:
        for _ in range(10):
            call = await calls(transport, [target("a", server)], [], streams=True)
            async for _ in call.rest():
                pass
            await call.aclose()

        assert (len(server.peers), len(server.requests)) == (1, 10)


async def test_a_call_that_reached_no_provider_says_so(transport: Transport) -> None:
    async with RawServer(answers) as gone:
        closed = target("a", gone)
    with pytest.raises(UpstreamFailed) as caught:
        await calls(transport, [closed, closed], [])

    assert (caught.value.reached, caught.value.answer_status) == (False, 502)


def serves_and_then(end: Script) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.answer(ANSWER)
        await end(peer)

    return script


async def hangs_up_politely(peer: Peer) -> None:
    await peer.request()


@pytest.mark.parametrize("end", [hangs_up, hangs_up_politely], ids=["reset", "farewell"])
async def test_request_that_a_kept_connection_may_have_delivered_is_its_own_attempt(
    transport: Transport, end: Script
) -> None:
    async with RawServer(serves_and_then(end)) as server:
        for _ in range(3):  # the first call of a kept connection is answered, the next is read and lost
            attempts: list[Attempt] = []
            call = await calls(transport, [target("a", server)], attempts)
            assert call.answered is not None
        assert [(each.outcome, each.reached) for each in attempts] == [("upstream_error", True), ("ok", True)]
        assert len(server.requests) == 1 + 2 + 2


async def test_other_deployments_are_tried_before_the_same_one_again(transport: Transport) -> None:
    attempts: list[Attempt] = []
    async with RawServer(serves_and_then(hangs_up)) as first, RawServer(answers) as second:
        await calls(transport, [target("a", first)], [])
        await calls(transport, [target("a", first), target("b", second)], attempts)
    assert [each.deployment for each in attempts] == ["a", "b"]


async def test_provider_that_only_hangs_up_is_not_retried_without_end(transport: Transport) -> None:
    attempts: list[Attempt] = []
    turns = iter([answers_once])

    async def script(peer: Peer) -> None:
        await next(turns, hangs_up)(peer)

    async with RawServer(script) as server:
        await calls(transport, [target("a", server)], [])
        with pytest.raises(UpstreamFailed):
            await calls(transport, [target("a", server)], attempts)
        assert len(server.requests) == 1 + len(attempts)
    assert len(attempts) == 2


async def answers_once(peer: Peer) -> None:
    await peer.request()
    await peer.answer(ANSWER)
    await hangs_up(peer)
