"""A call's context releases all that it acquired, in one place, whatever the call left open."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import runtime
from gateway.config.sections.process import Streams
from gateway.http.client_api import BINARY, OPENAI
from gateway.http.client_connection import ClientConnection
from gateway.http.exceptions import ShuttingDown
from gateway.idempotency.store import IdempotencyClaim
from gateway.inference.call_context import CallContext
from gateway.overload.body_memory import BodyMemory
from gateway.overload.exceptions import Overloaded
from gateway.overload.load_shedder import LoadShedder
from gateway.values.stop_reason import StopReason
from metering.inflight import InFlightCall, InFlightCalls
from tests.support.waiting import eventually
from tests.unit.tenants.key_database import ALICE

MEGABYTE = 1 << 20
CLAIM = IdempotencyClaim("row", "req_1", keeps_streams=False)


class Replays:
    """Notes which claims were released."""

    def __init__(self) -> None:
        self.released: list[str] = []

    async def release(self, claim: IdempotencyClaim) -> None:
        self.released.append(claim.id)


@pytest.fixture
def live():
    shed: list[tuple[str]] = []
    live = SimpleNamespace(
        is_draining=False,
        load_shedder=LoadShedder(2),
        body_memory=BodyMemory(MEGABYTE, MEGABYTE),
        in_flight=InFlightCalls(),
        idempotency=Replays(),
        metrics=SimpleNamespace(shed=SimpleNamespace(add=shed.append, noted=shed)),
    )
    runtime.install(cast("Any", live))
    yield live
    runtime.install(None)


def connection(sent: list[Any] | None = None) -> ClientConnection:
    async def send(message: Any) -> None:
        if sent is not None:
            sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    return ClientConnection({"type": "http"}, receive, send)


def context_of(link: ClientConnection | None = None) -> CallContext:
    return CallContext(link or connection(), caller=ALICE)


async def test_everything_acquired_is_released_once(live):
    context = context_of()
    context.acquire_slot(live)
    context.body_lease(live).grow_to(MEGABYTE // 2)
    writer = context.open_stream(Streams(), OPENAI.events)
    assert (live.load_shedder.in_use, live.body_memory.in_use) == (1, MEGABYTE // 2)
    for _ in range(2):
        context.release()
        assert (live.load_shedder.in_use, live.body_memory.in_use) == (0, 0)
    assert writer._timer.cancelled()  # noqa: SLF001


async def test_a_draining_process_and_a_full_one_give_no_slot(live):
    context_of().acquire_slot(live)
    context_of().acquire_slot(live)
    with pytest.raises(Overloaded):
        context_of().acquire_slot(live)
    assert live.metrics.shed.noted == [("full",)]
    live.is_draining = True
    with pytest.raises(ShuttingDown):
        context_of().acquire_slot(live)


async def test_a_claim_that_no_outcome_has_taken_is_released(live):
    context = context_of()
    context.claim = CLAIM
    context.release()
    await live.in_flight.wait_until_idle()
    assert live.idempotency.released == ["row"]


async def test_a_claim_that_was_taken_is_left_to_its_taker(live):
    context = context_of()
    context.claim = CLAIM
    assert context.take_claim() is CLAIM
    assert context.take_claim() is None
    context.release()
    await context.release_claim(live)
    assert live.idempotency.released == []


@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_response_that_was_made_and_never_sent_is_ended(live, is_sent):
    ended = []

    async def end() -> None:
        ended.append("recorded")

    context = context_of()
    context.unfinished = cast("Any", SimpleNamespace(abandon=lambda: None if is_sent else end()))
    context.release()
    await live.in_flight.wait_until_idle()
    assert ended == ([] if is_sent else ["recorded"])


@pytest.mark.parametrize(
    ("stopped", "is_stalled", "reason"),
    [
        (None, False, StopReason.CLIENT_DISCONNECTED),
        (None, True, StopReason.CLIENT_STALLED),
        (StopReason.KEY_REVOKED, False, StopReason.KEY_REVOKED),
        (StopReason.SERVER_SHUTDOWN, True, StopReason.SERVER_SHUTDOWN),
    ],
)
async def test_the_reason_of_a_cancellation_is_the_gateways_own_or_what_its_client_did(
    live, stopped, is_stalled, reason
):
    context = context_of()
    context.open_stream(Streams(), OPENAI.events).is_stalled = is_stalled
    call = InFlightCall(cast("Any", None), ALICE, None)
    call.stop_reason = stopped
    context.meter = cast("Any", SimpleNamespace(call=call))
    assert context.stop_reason() is reason
    context.release()


async def test_a_context_without_a_connection_is_released_too(live):
    context = CallContext(caller=ALICE, body=b"{}")
    context.acquire_slot(live)
    context.body_lease(live)
    context.release()
    assert live.load_shedder.in_use == 0
    assert not context.is_client_disconnected


async def test_a_framing_without_a_heartbeat_sends_none(live):
    sent: list[Any] = []
    context = context_of(connection(sent))
    writer = context.open_stream(Streams(heartbeat=0.001), BINARY)
    before = writer._timer  # noqa: SLF001
    await eventually(lambda: writer._timer is not before)  # noqa: SLF001
    context.release()
    assert sent == []
