"""Whether a key is free after its call was cancelled: only a whole response of a provider makes the call made."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from django.utils import timezone

import gateway.api  # noqa: F401 - first: its endpoints import the pipeline, which imports a part of this package
from budgets.admission.interface import LimitStatus
from gateway.idempotency import rows
from gateway.idempotency.rows import ResultUnavailable
from gateway.inference.call_context import CallContext
from gateway.inference.outcomes import record_cancellation
from metering.inflight import InFlightCalls
from metering.journal.reader import Call
from metering.journal.records import Close
from metering.ledger import write as ledger
from metering.meter import CallOutcome, Meter, MeteringServices
from providers.upstream import Attempt
from providers.usage import Usage
from tests.support.books.calls import SHEET, opened

pytestmark = pytest.mark.django_db
RAW = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}'
TARGET: Any = SimpleNamespace(
    id=1, alias="gpt-4o", name="gpt-4o-1", provider="openai", upstream_model="gpt-4o-2024-08-06"
)
EAST = SimpleNamespace(target=TARGET, sheet=SHEET)
ROUTE: Any = SimpleNamespace(
    all_deployments=[EAST], deployments=[EAST], model=SimpleNamespace(alias="gpt-4o")
)
USED = Usage(input_tokens=5, output_tokens=2)


class Journal:
    """Keeps the CLOSE as it is read from the disk; settles nothing."""

    def __init__(self):
        self.closed: Any = None

    async def close_call(self, close, **_):
        self.closed = msgspec.json.decode(msgspec.json.encode(close), type=Close)

    async def settle(self, *_):
        return LimitStatus()


def attempt(outcome, status=None, usage=None):
    return Attempt("openai", "gpt-4o-1", outcome, status, 1.0, "gpt-4o", usage=usage)


OK = attempt("ok", 200)
CANCELLED = attempt("cancelled")
TIMEOUT = attempt("upstream_timeout")
REFUSED = attempt("upstream_rate_limited", 429)
REFUSED_WITH_USAGE = attempt("upstream_error", 500, USED)


async def write(attempts, *, usage: Usage | None = None, stream=False):
    """Return the OPEN and CLOSE of a call that was cancelled after these attempts, as the gateway writes them."""
    journal: Any = Journal()
    record = msgspec.structs.replace(opened("call"), stream=stream)
    meter = Meter(MeteringServices(journal, journal, InFlightCalls(), observe=lambda *_: None), record, RAW)
    meter.attempts = list(attempts)
    if attempts[-1] is OK:
        outcome = CallOutcome(
            status="cancelled", http_status=499, target=TARGET, sheet=SHEET, usage=usage, produced="a word"
        )
        await meter.close(outcome)
    else:
        await record_cancellation(CallContext(), meter, ROUTE)
    return Call(record, journal.closed)


MADE: dict[str, tuple[list[Attempt], dict[str, Any]]] = {
    "read on": ([OK], {"usage": USED}),
    "read on without a usage": ([OK], {}),
    "read on after an attempt of unknown cost": ([TIMEOUT, OK], {"usage": USED}),
    "a finished stream": ([OK], {"usage": USED, "stream": True}),
    "a finished stream after an attempt of unknown cost": ([TIMEOUT, OK], {"usage": USED, "stream": True}),
}
NOT_MADE: dict[str, tuple[list[Attempt], dict[str, Any]]] = {
    "refused, then cancelled before the next attempt": ([REFUSED], {}),
    "refused with a reported usage": ([REFUSED_WITH_USAGE], {}),
    "refused twice": ([REFUSED, REFUSED], {}),
    "cancelled while a provider worked": ([CANCELLED], {}),
    "cancelled in the second attempt": ([REFUSED, CANCELLED], {}),
    "a stream that was not finished": ([OK], {"stream": True}),
}


def claim(request_id):
    return rows.claim("row", "print", request_id, 1, timezone.now() - 2 * rows.LEASE)


def end(attempts, more):
    """Claim a key, write the row of its cancelled call, and end its process before it released the claim."""
    claim("call")
    ledger.write([asyncio.run(write(attempts, **more))])
    rows.end_started_by(["call"])


@pytest.mark.parametrize("kind", MADE)
def test_a_call_with_a_whole_response_is_not_made_again(kind):
    end(*MADE[kind])
    with pytest.raises(ResultUnavailable):
        claim("again")


@pytest.mark.parametrize("kind", NOT_MADE)
def test_a_call_without_a_whole_response_may_be_made_again(kind):
    end(*NOT_MADE[kind])
    assert claim("again") is None
