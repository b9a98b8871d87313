"""How a relayed stream ends when its own end cannot be recorded, and when it was never sent."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

import gateway.inference.pipeline
from gateway import runtime
from gateway.config.sections.process import Streams
from gateway.http.client_api import OPENAI
from gateway.inference.call_context import CallContext
from gateway.inference.relay import StreamRelay
from metering.inflight import InFlightCalls
from metering.journal.pending_close import CloseNotPersisted
from providers.resilience.plan import CallProgress
from tests.support.logged import logged
from tests.unit.gateway.inference.test_call_context import CLAIM, Replays, connection
from tests.unit.tenants.key_database import ALICE

START = {"type": "http.response.start", "status": 200, "headers": []}


class Completed(Replays):
    """Notes also which claims were completed."""

    def __init__(self) -> None:
        super().__init__()
        self.completed: list[str] = []

    async def complete(self, claim: Any, *_: Any) -> None:
        self.completed.append(claim.id)


class Upstream:
    """A call whose stream has these parts and is whole."""

    first = b"data: 1\n\n"
    target: Any = None

    def __init__(self) -> None:
        self.stream: Any = SimpleNamespace(
            done=True,
            failure=None,
            usage=None,
            is_finished=True,
            has_final_usage=False,
            produced_events=1,
            produced_tokens=0,
            produced_bytes=1,
            sound_chars=0,
            produced=lambda: "1",
            final=b"data: [DONE]\n\n",
            failed=lambda _body: b"",
        )
        self.is_closed = False

    async def rest(self):
        yield b"data: 2\n\n"

    async def aclose(self) -> None:
        self.is_closed = True


class Meter:
    """Notes the outcomes it is closed with; `failure` is raised instead of the end being durable."""

    limit = SimpleNamespace(output_tokens=None, is_sent=False)
    received_at = 0.0
    call = None
    record = SimpleNamespace(id="req_1")

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.outcomes: list[tuple[str, str]] = []

    async def close(self, outcome: Any) -> None:
        self.outcomes.append((outcome.status, outcome.error_code))
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setattr("gateway.inference.relay.CallOutcome", SimpleNamespace)
    live = cast("Any", SimpleNamespace(in_flight=InFlightCalls(), idempotency=Completed()))
    runtime.install(live)
    yield live
    runtime.install(None)


def relay_of(meter: Any, sent: list[Any]) -> tuple[CallContext, StreamRelay, Upstream]:
    context, upstream = CallContext(connection(sent), caller=ALICE), Upstream()
    context.claim, context.meter = CLAIM, meter
    context.open_stream(Streams(), OPENAI.events)
    relay = StreamRelay(
        context,
        cast("Any", upstream),
        meter,
        OPENAI.events,
        CallProgress(),
        content_type="text/event-stream",
        sheet=cast("Any", None),
        overhead_ms=0.0,
    )
    context.unfinished = relay
    return context, relay, upstream


async def test_a_stream_whose_end_is_not_durable_says_so_and_leaves_its_claim_to_the_adopter(live, caplog):
    sent: list[Any] = []
    context, relay, _ = relay_of(Meter(CloseNotPersisted("closed")), sent)
    await relay.run(START)
    context.release()
    await live.in_flight.wait_until_idle()
    *_, last = [message["body"] for message in sent if "body" in message]
    assert logged(caplog, "stream.not_recorded") == [{"request_id": "req_1"}]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "metering_unavailable"
    assert (live.idempotency.completed, live.idempotency.released) == ([], [])


async def test_a_whole_stream_is_completed_and_then_done(live):
    sent: list[Any] = []
    meter = Meter()
    context, relay, upstream = relay_of(meter, sent)
    await relay.run(START)
    context.release()
    await live.in_flight.wait_until_idle()
    assert (meter.outcomes, upstream.is_closed) == ([("ok", "")], True)
    assert (live.idempotency.completed, live.idempotency.released) == (["row"], [])
    assert sent[-1]["body"] == b"data: [DONE]\n\n"


async def test_a_stream_that_a_defect_keeps_from_being_sent_is_recorded(live):
    meter = Meter()
    context, _, upstream = relay_of(meter, [])
    context.release()
    await live.in_flight.wait_until_idle()
    assert (meter.outcomes, upstream.is_closed) == ([("incomplete", "internal_error")], True)
    assert (live.idempotency.completed, live.idempotency.released) == ([], ["row"])


async def test_a_defect_in_a_stream_is_logged_with_the_id_of_its_call(live, monkeypatch, caplog):
    async def rest(_self: Any):
        yield b"data: 2\n\n"
        raise ZeroDivisionError

    monkeypatch.setattr(Upstream, "rest", rest)
    sent: list[Any] = []
    context, relay, _ = relay_of(Meter(), sent)
    await relay.run(START)
    context.release()
    assert logged(caplog, "stream.failed") == [{"request_id": "req_1"}]
    assert caplog.records[0].exc_info is not None
    assert b"internal_error" in sent[-1]["body"]


async def test_a_client_that_stalls_before_the_first_content_is_recorded_as_stalled(live, monkeypatch):
    recorded: list[Any] = []

    async def record(_context: Any, _meter: Any, _route: Any, reason: Any, *_: Any) -> None:
        recorded.append(reason.value)

    monkeypatch.setattr(gateway.inference.pipeline, "record_cancellation", record)
    meter: Any = SimpleNamespace(call=None, attempts=[])
    context = CallContext(connection(), caller=ALICE)
    context.open_stream(Streams(), OPENAI.events).is_stalled = True
    context.meter = meter
    gone = asyncio.CancelledError()
    raised = await gateway.inference.pipeline._record_end(context, meter, cast("Any", None), gone)  # noqa: SLF001
    assert raised is gone
    context.release()
    assert recorded == ["client_stalled"]
