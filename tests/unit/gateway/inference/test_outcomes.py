"""The cost of a call whose client disconnected before the answer: what the provider may bill."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

import gateway.inference.pipeline
from budgets.admission.interface import LimitStatus
from gateway.api import chat_completions
from gateway.inference.call_context import CallContext
from gateway.inference.outcomes import record_cancellation
from gateway.overload.body_memory import BodyMemory
from providers.dialects.base import Shape
from providers.upstream import Attempt

CONTEXT: Any = SimpleNamespace(log_facts={}, writer=None, limit_status=None)
EAST = SimpleNamespace(target=SimpleNamespace(id=1, alias="chat", name="east"), sheet=None)
ROUTE: Any = SimpleNamespace(all_deployments=[EAST], deployments=[EAST], model=SimpleNamespace(alias="chat"))


class Book:
    """Notes how the call was closed."""

    def __init__(self, attempts):
        self.attempts = attempts
        self.said = []

    def overhead_ms(self):
        return 0.5

    async def void(self):
        self.said.append("void")
        return LimitStatus()

    async def close(self, ending):
        self.said.append("billed" if ending.is_billed else "free")


def tried(outcome, *, reached, status=None):
    return Attempt("openai", "east", outcome, status, 1.0, "chat", reached)


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        ([], "void"),
        ([tried("cancelled", reached=False)], "void"),
        ([tried("upstream_timeout", reached=False)], "void"),
        ([tried("upstream_timeout", reached=False), tried("cancelled", reached=False)], "void"),
        ([tried("cancelled", reached=True)], "billed"),
        ([tried("upstream_error", reached=True), tried("cancelled", reached=True)], "billed"),
        ([tried("upstream_error", reached=True), tried("cancelled", reached=False)], "billed"),
        ([tried("upstream_timeout", reached=True)], "billed"),
        ([tried("upstream_error", reached=True, status=500), tried("cancelled", reached=False)], "free"),
        ([tried("upstream_rate_limited", reached=True, status=429)], "free"),
    ],
)
async def test_only_attempts_that_may_have_been_processed_are_billed(monkeypatch, attempts, said):
    monkeypatch.setattr("gateway.inference.outcomes.CallOutcome", SimpleNamespace)
    book: Any = Book(attempts)
    await record_cancellation(CONTEXT, book, ROUTE)
    assert book.said == [said]


@pytest.mark.parametrize("part", ["dialects_of", "outgoing_of", "open"])
async def test_what_fails_before_anything_is_sent_gives_its_grant_back(monkeypatch, part):
    events: list[str] = []

    def fail(*_: Any) -> Any:
        events.append("failed")
        raise ZeroDivisionError

    async def void() -> LimitStatus:
        events.append("void")
        return LimitStatus()

    meter = SimpleNamespace(open=fail, void=void, record_response=None, raise_hold=None)
    if part != "open":
        monkeypatch.setattr(gateway.inference.pipeline, part, fail)
    live = SimpleNamespace(
        config=SimpleNamespace(streams=SimpleNamespace(max_event_bytes=1_000_000)),
        heavy_work=None,
        body_memory=BodyMemory(1, 1),
    )
    monkeypatch.setattr("gateway.runtime.current", lambda: live)
    context = CallContext(caller=cast("Any", SimpleNamespace(tenant_id=1)), body=b"{}")
    shape = Shape(alias="m", path="chat/completions")
    given: list[Any] = [context, chat_completions.ENDPOINT, meter, None, shape, None]
    with pytest.raises(ZeroDivisionError):
        await gateway.inference.pipeline._call(*given)  # noqa: SLF001
    assert events == ["failed", "void"]
