"""What a call costs whose client left before there was an answer: what the provider that worked on it may bill."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import gateway.api  # first: the endpoints import gateway/inference/pipeline.py, which imports a part of their package
import gateway.inference.pipeline
from budgets.admission.interface import LimitStatus
from gateway.inference.outcomes import record_cancellation
from providers.dialects.base import Shape
from providers.upstream import Attempt

REQUEST: Any = SimpleNamespace(facts={}, pulse=None, received_at=0.0, waited_s=0.0)
EAST = SimpleNamespace(target=SimpleNamespace(id=1, alias="chat", name="east"), sheet=None)
ROUTE: Any = SimpleNamespace(every=[EAST], deployments=[EAST], model=SimpleNamespace(alias="chat"))


class Book:
    """Notes how the call was closed."""

    def __init__(self, attempts):
        self.attempts = attempts
        self.said = []

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
    await record_cancellation(REQUEST, book, ROUTE)
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

    meter = SimpleNamespace(open=fail, void=void, answered=None, again=None)
    if part != "open":
        monkeypatch.setattr(gateway.inference.pipeline, part, fail)
    request = SimpleNamespace(
        auth=SimpleNamespace(tenant_id=1),
        id="req_1",
        raw=b"{}",
        trace_parent="",
        standing=None,
        portion=SimpleNamespace(),
    )
    live = SimpleNamespace(
        config=SimpleNamespace(streams=SimpleNamespace(max_event_bytes=1_000_000)), heavy=None
    )
    given: list[Any] = [
        request,
        live,
        meter,
        None,
        Shape(alias="m", path="chat/completions"),
        None,
    ]
    with pytest.raises(ZeroDivisionError):
        await gateway.inference.pipeline._call(*given)  # noqa: SLF001
    assert events == ["failed", "void"]
