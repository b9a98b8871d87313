"""Counts prompts exactly, and measures PDFs, if their cheap bounds do not fit a budget: in other processes, charged to
the tenant's quota.

A tenant's counting may take a tenth of one core in the long run, and two seconds at once. If a prompt cannot be
counted - an unknown tokenizer, a spent quota, a queue, a fault - the result is None, and the cheap bound is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    AdmissionUnavailable,
    RateRefused,
    ScopeRules,
)
from budgets.admission.prompt_counts import Counter
from gateway.runtime import Runtime
from gateway.values.fallback_log import FALLBACKS
from gateway.values.quota import Quota
from providers.dialects.choice import CHAT, MESSAGES, OPENAI
from providers.media.pdf.measure import Document
from providers.processes.heavy_work import HeavyWork
from providers.processes.work_process import WorkerLost, WorkTooExpensive
from providers.requests.documents import Measured
from providers.shielding import to_its_end
from providers.tokens.amounts import Bound
from providers.tokens.count_process import LENGTH, Done, Job
from providers.tokens.exact_count import encoding_of

ROOT: Final = Path(__file__).parents[2]
MOST_BYTES: Final = 512_000
MOST_WAITING: Final = 8
QUOTA_S: Final = 2.0  # CPU seconds at once
REFILL: Final = 0.1  # CPU seconds a second
LEAST_S: Final = 0.05  # less is not worth a try
ANSWER_S: Final = 10.0  # after it the process is stuck, or the machine is
START_S: Final = 30.0  # the first response comes when the vocabulary is loaded

COUNTED: Final = frozenset({CHAT, OPENAI, MESSAGES})  # chat, embeddings and Messages

_done = msgspec.msgpack.Decoder(Done)


class _QuotaSpent(Exception):
    """The tenant has no counting time left."""


class TokenCounter:
    """`counted` is the number of counted prompts; the first one starts the process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, heavy: HeavyWork | None = None) -> None:
        self.counted = 0
        self._heavy = heavy
        self._quota = Quota(clock, QUOTA_S, REFILL)
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._process: Process | None = None

    async def count(self, tenant_id: int, raw: bytes, models: tuple[str, ...]) -> Bound | None:
        """Return the tokens of all text that becomes prompt; None if they cannot be counted."""
        encoding = encoding_of(models)
        if encoding is None or len(raw) > MOST_BYTES:
            return None
        if self._waiting >= MOST_WAITING:
            FALLBACKS.note("token_counter_busy", f"{self._waiting} prompts wait")
            return None
        self._waiting += 1
        try:
            async with self._lock:
                return await to_its_end(self._count(tenant_id, raw, encoding))
        finally:
            self._waiting -= 1

    async def documents(self, tenant_id: int, raw: bytes) -> tuple[Document, ...] | None:
        """Return how large the PDFs in a chat body are at most; None if they cannot be measured."""
        if self._heavy is None:
            return None
        quota, granted = self._quota, 0.0

        def grant() -> float:
            """Charge all that is left until the use is known: a disconnect before that keeps the charge."""
            nonlocal granted
            granted = quota.left(tenant_id)
            if granted < LEAST_S:
                raise _QuotaSpent
            quota.spend(tenant_id, granted)
            return granted

        try:
            done = await self._heavy.share(tenant_id).run_within(Measured, "documents", raw, grant)
        except _QuotaSpent:
            FALLBACKS.note("documents_quota", f"tenant {tenant_id} has used its counting time")
            return None
        except (WorkTooExpensive, WorkerLost) as fault:
            FALLBACKS.note("documents", fault)
            return None
        quota.spend(tenant_id, done.cpu_s - granted)
        if done.is_defect:  # a broken PDF is the tenant's, and the window bounds it
            FALLBACKS.note("documents_unreadable", done.why)
        return done.found

    async def aclose(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _count(self, tenant_id: int, raw: bytes, encoding: str) -> Bound | None:
        left = self._quota.left(tenant_id)
        if left < LEAST_S:
            FALLBACKS.note("token_counter_quota", f"tenant {tenant_id} has used its counting time")
            return None
        try:
            async with asyncio.timeout(ANSWER_S if self._process is not None else START_S):
                done = await self._ask(Job(raw, encoding, left))
        except (OSError, EOFError, TimeoutError, msgspec.DecodeError) as fault:
            FALLBACKS.note("token_counter", fault)
            await self.aclose()
            return None
        except asyncio.CancelledError:  # the next call would read its response
            await asyncio.shield(self.aclose())
            raise
        self._quota.spend(tenant_id, done.cpu_s)
        if done.error:
            FALLBACKS.note("token_counter", done.error)
        if done.tokens is None:
            return None
        self.counted += 1
        return Bound(done.tokens)

    async def _ask(self, job: Job) -> Done:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "providers.tokens.count_process",
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                cwd=ROOT,
                env={},
                start_new_session=True,  # a key press in the terminal is for the server only
            )
        incoming, outgoing = process.stdout, process.stdin
        assert incoming is not None  # noqa: S101 - both are pipes
        assert outgoing is not None  # noqa: S101
        frame = msgspec.msgpack.encode(job)
        outgoing.write(LENGTH.pack(len(frame)) + frame)
        await outgoing.drain()
        (size,) = LENGTH.unpack(await incoming.readexactly(LENGTH.size))
        return _done.decode(await incoming.readexactly(size))


def counter_for(live: Runtime, client_api: str) -> Counter | None:
    """Return the counter, which reads the bodies of these client APIs; of others the bound is their bytes."""
    return live.token_counter if client_api in COUNTED else None


async def charge(admission: Admission, request_id: str, rules: tuple[ScopeRules, ...]) -> None:
    """Take one request of the tenant's rate for a count that did not help: counting costs CPU."""
    request = AdmissionRequest(
        f"{request_id}:count", tuple([ScopeRules(each.scope, each.limits) for each in rules]), 0, 0
    )
    with contextlib.suppress(RateRefused, AdmissionUnavailable):
        await admission.admit(request)
        await admission.settle(request.request_id, 0, 0)
