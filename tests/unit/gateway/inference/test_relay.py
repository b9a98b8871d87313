"""A defect in the middle of a stream is logged with the id of its call, and the client gets an event."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from catalog.pricing.prices import PriceSheet
from gateway.inference.relay import StreamRelay
from tests.support.logged import logged


class Client:
    """The side of the client, which is sent what the relay writes."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def start(self, _start: dict[str, Any]) -> None:
        raise ZeroDivisionError

    async def send(self, data: bytes, **_: bool) -> None:
        self.sent.append(data)


async def done(*_: object, **__: object) -> None:
    """Stand for closing the call and recording it."""


async def test_a_defect_in_a_stream_is_logged_with_the_id_of_its_call(monkeypatch, caplog):
    monkeypatch.setattr(StreamRelay, "_record", done)
    client: Any = Client()
    call: Any = SimpleNamespace(aclose=done)
    meter: Any = SimpleNamespace(record=SimpleNamespace(id="req_1"))
    running: Any = SimpleNamespace()
    await StreamRelay(call, meter, running, client, sheet=PriceSheet(free=True), overhead_ms=0.0).run({})
    assert logged(caplog, "stream.failed") == [{"request_id": "req_1"}]
    assert caplog.records[0].exc_info is not None
    assert b"internal_error" in client.sent[-1]
