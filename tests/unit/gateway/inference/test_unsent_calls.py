"""A defect between the OPEN of a call and its first attempt returns the grant: nothing was sent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from budgets.admission.interface import LimitStatus
from gateway.http.client_api import OPENAI
from gateway.inference import pipeline
from gateway.inference.call_context import CallContext
from providers.outgoing import ResponseKind


class Bill:
    """The meter of one call: open until it is discarded."""

    def __init__(self):
        self.is_open = False

    def open(self, _caller):
        self.is_open = True
        return SimpleNamespace()

    async def void(self):
        self.is_open = False
        return LimitStatus()


async def test_a_stream_that_has_no_connection_leaves_no_call_behind(monkeypatch):
    live = SimpleNamespace(config=SimpleNamespace(streams=None))
    monkeypatch.setattr("gateway.runtime.current", lambda: live)
    for name in ("dialects_of", "outgoing_of"):
        monkeypatch.setattr(pipeline, name, lambda *_: SimpleNamespace())
    endpoint = SimpleNamespace(
        answer=lambda streams: ResponseKind.of(streams=streams), framing=lambda: OPENAI.events, dialect=""
    )
    context, bill = CallContext(caller=cast("Any", object())), Bill()
    shape = cast("Any", SimpleNamespace(stream=True))

    with pytest.raises(AssertionError):
        await pipeline._call(  # noqa: SLF001 - the step that a defect would end
            context, cast("Any", endpoint), cast("Any", bill), cast("Any", None), shape, cast("Any", None)
        )

    assert not bill.is_open
