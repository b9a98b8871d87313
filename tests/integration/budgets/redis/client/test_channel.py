"""A client that can publish on the Redis of a gateway is not one of its workers: their messages are signed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis import asyncio as redis_async

from gateway.values.fallback_log import FALLBACKS, Fallbacks
from gateway.values.signed_messages import UNSIGNED
from tests.integration.budgets.redis_workers import Crew, rules
from tests.support.clients.signing import SIGNER, STRANGER
from tests.support.logged import logged
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("frequent_upkeep")

CENT = 10_000_000
CHANNEL = "omg:workers:0"
KINDS = [
    "heartbeat ghost",
    "leave {other}",
    "ack question {other}",
    "restore t1 question",
    "release tenant:1",
]
BUDGET = rules(1000 * CENT)


@pytest.fixture
async def crew(redis_server) -> AsyncIterator[Crew]:
    client = redis_async.Redis.from_url(redis_server.url)
    await client.flushall()
    await client.aclose()
    async with Crew(redis_server.url, 2) as crew:
        await eventually(lambda: all(worker.workers.workers == 2 for worker in crew.workers))
        yield crew


@pytest.fixture
async def neighbor(redis_server) -> AsyncIterator[redis_async.Redis]:
    """Yield what any client of the shared Redis has."""
    client = redis_async.Redis.from_url(redis_server.url)
    yield client
    await client.aclose()


def signed(text: str) -> bytes:
    return SIGNER.sign(CHANNEL, text.encode())


def forgeries(text: str) -> list[bytes]:
    body, genuine = text.encode(), signed(text)
    return [
        body,  # as it was before messages were signed
        b"",
        b" ",
        b"\xff\xfe" + body,
        b"0" * 64 + b" " + body,
        genuine[1:],
        genuine[:-1],
        genuine[:63],
        genuine[:64],
        genuine + b" ghost",
        genuine.upper(),
        genuine.replace(b" ", b"\0", 1),
        STRANGER.sign(CHANNEL, body),
        SIGNER.sign("omg:workers:1", body),  # said on another channel
        SIGNER.sign(CHANNEL, b"heartbeat somebody")[:64] + b" " + body,
    ]


class Heard:
    """What the first worker has done after messages, as far as a test can observe it."""

    def __init__(self, crew: Crew, neighbor: redis_async.Redis) -> None:
        self.one, self.other = crew.workers
        self.neighbor = neighbor

    async def state(self) -> list[object]:
        peers = self.one.workers
        return [
            peers.workers,
            sorted(peers.lost({self.other.worker: "", "ghost": ""})),
            sorted(peers.missing("question", "no life")),
            await self.neighbor.hgetall("omg:{t1}:aside:tenant:1"),
        ]

    async def all_before(self, serial: int) -> None:
        """Return when this worker has received everything that was published until now: one socket, one order."""
        self.one.workers.start_roll_call(f"end-{serial}")
        await self.neighbor.publish(CHANNEL, signed(f"ack end-{serial} {self.one.worker}"))
        await eventually(lambda: self.one.worker not in self.one.workers.missing(f"end-{serial}", ""))


@pytest.fixture
async def heard(crew, neighbor) -> Heard:
    """Return the observation of a worker with an allowance, a running call, and a roll-call."""
    assert (await crew.ask(BUDGET, CENT)).startswith("call-")
    assert (await crew.ask(BUDGET, CENT)).startswith("call-")
    await eventually(lambda: neighbor.hlen("omg:{t1}:aside:tenant:1"), lambda holders: holders == 3)
    crew.workers[0].workers.start_roll_call("question")
    return Heard(crew, neighbor)


@pytest.mark.parametrize("kind", KINDS)
async def test_forged_messages_are_ignored_and_counted(heard, neighbor, kind):
    text = kind.format(other=heard.other.worker)
    before, counted = await heard.state(), FALLBACKS.happened[UNSIGNED]
    for message in forgeries(text):
        await neighbor.publish(CHANNEL, message)
    await heard.all_before(1)
    assert await heard.state() == before
    assert FALLBACKS.happened[UNSIGNED] - counted >= len(forgeries(text))


async def test_forged_messages_are_logged_once(heard, neighbor, caplog, monkeypatch):
    monkeypatch.setattr("gateway.values.signed_messages.FALLBACKS", Fallbacks())
    for _ in range(50):
        await neighbor.publish(CHANNEL, b"leave everybody")
    await heard.all_before(1)
    [fallback] = logged(caplog, "fallback.taken")
    assert (fallback["where"], "without a valid signature" in fallback["error"]) == (UNSIGNED, True)


@pytest.mark.parametrize("kind", KINDS[:2])
async def test_messages_of_a_worker_are_received(heard, neighbor, kind):
    before = await heard.state()
    await neighbor.publish(CHANNEL, signed(kind.format(other=heard.other.worker)))
    await heard.all_before(1)
    assert await heard.state() != before


async def test_old_messages_do_not_make_an_ended_worker_live_again(heard, neighbor):
    once = [signed(f"heartbeat {name}") for name in ("ghost", heard.other.worker)]
    for message in [*once, signed("leave ghost"), signed(f"leave {heard.other.worker}")]:
        await neighbor.publish(CHANNEL, message)
    await heard.all_before(1)
    before = await heard.state()
    for message in once * 3:
        await neighbor.publish(CHANNEL, message)
    await heard.all_before(2)
    assert await heard.state() == before
    assert before[:2] == [1, sorted([heard.other.worker, "ghost"])]


async def test_replayed_replies_answer_no_other_request(heard, neighbor):
    peers = heard.one.workers
    for question in ("old", "question"):
        await neighbor.publish(CHANNEL, signed(f"ack {question} {heard.other.worker}"))
    await heard.all_before(1)
    peers.start_roll_call("new")
    for _ in range(3):
        await neighbor.publish(CHANNEL, signed(f"ack old {heard.other.worker}"))
    await heard.all_before(2)
    assert heard.other.worker in peers.missing("new", "no life")


@pytest.mark.parametrize("kind", ["restore t1 once", "release tenant:1"])
async def test_replayed_requests_move_no_money(heard, neighbor, kind):
    async def counted() -> tuple[int, int]:
        limit_status = await heard.one.status(BUDGET)
        assert limit_status.budget is not None
        return limit_status.budget.spent_nanousd, limit_status.budget.held_nanousd

    before = await counted()
    for serial in range(3):
        await neighbor.publish(CHANNEL, signed(kind))
        await heard.all_before(serial)
        assert await counted() == before == (0, 2 * CENT)
