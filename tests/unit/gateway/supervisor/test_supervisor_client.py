"""A worker keeps reading from its supervisor after any message: the supervisor may be of another release."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
import pytest

from gateway.observability.metrics_aggregation import Family
from gateway.supervisor.channel import METRICS, REQUEST_METRICS, REQUEST_TOTALS, STATE, TOTALS, Channel
from gateway.supervisor.supervisor_client import SupervisorClient
from gateway.supervisor.worker_state import State
from tests.support.waiting import eventually

UNREADABLE = {
    "no message": b"\xc1",
    "cut short": msgspec.msgpack.encode(State())[:-1],
    "another shape": msgspec.msgpack.encode("ready"),
    "another type": msgspec.msgpack.encode(["yes"]),
}


class Pair(NamedTuple):
    link: SupervisorClient
    supervisor: Channel
    orphaned: asyncio.Event


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pair = Pair(SupervisorClient(listener, theirs), await Channel.from_socket(ours), asyncio.Event())
        await pair.link.open(pair.orphaned.set)
        yield pair
        await pair.link.aclose()
        await pair.supervisor.aclose()


async def heard(supervisor: Channel) -> tuple[bytes, bytes]:
    frame = await asyncio.wait_for(supervisor.receive(), 30)
    assert frame is not None
    return frame


@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_state_that_cannot_be_read_is_left_out(pair, payload):
    pair.supervisor.send(STATE, msgspec.msgpack.encode(State(unshipped=7)))
    pair.supervisor.send(STATE, payload)
    pair.supervisor.send(REQUEST_METRICS)
    assert (await heard(pair.supervisor))[0] == METRICS
    assert pair.link.state_of_all() == State(unshipped=7)
    pair.supervisor.send(STATE, msgspec.msgpack.encode(State(unshipped=8)))
    await eventually(lambda: pair.link.state_of_all() == State(unshipped=8))
    assert not pair.orphaned.is_set()


async def test_totals_that_cannot_be_read_are_none(pair):
    asking = asyncio.create_task(pair.link.totals())
    assert (await heard(pair.supervisor))[0] == REQUEST_TOTALS
    pair.supervisor.send(TOTALS, UNREADABLE["another shape"])
    with pytest.raises(TimeoutError):
        await asking
    asking = asyncio.create_task(pair.link.totals())
    assert (await heard(pair.supervisor))[0] == REQUEST_TOTALS
    pair.supervisor.send(TOTALS, msgspec.msgpack.encode([Family("calls", "Calls", "counter", [])]))
    assert [family.name for family in await asking] == ["calls"]


async def test_the_end_of_the_supervisor_is_noticed(pair):
    await pair.supervisor.aclose()
    await asyncio.wait_for(pair.orphaned.wait(), 30)
