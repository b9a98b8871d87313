"""Several workers of one gateway in one process, their ledger, and the calls they serve."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Self

from budgets.admission.interface import (
    AdmissionRequest,
    AdmissionUnavailable,
    BudgetRefused,
    BudgetRule,
    Limits,
    RateRefused,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.redis.admission import RedisAdmission
from budgets.redis.client.protocol import LONGEST_S
from tests.support.clients.signing import SIGNER

PATIENT_S = 2.0  # where a busy machine must not look like a lost store
UNHURRIED_S = 30.0  # where many live at once and waiting is not the subject


class SharedLedger:
    """The database: what every call cost."""

    def __init__(self) -> None:
        self.spent, self.version, self.loads = 0, 1, 0
        self.is_open, self.is_asked = asyncio.Event(), asyncio.Event()
        self.is_open.set()

    async def load(self, keys: Sequence[WindowKey]) -> list[WindowTotal]:
        self.loads += 1
        self.is_asked.set()
        await self.is_open.wait()
        return [WindowTotal(key, self.spent, self.version) for key in keys]


def rules(limit: int, limits: Limits = Limits(), tenant: int = 1) -> tuple[ScopeRules, ...]:  # noqa: B008 - frozen
    return (
        ScopeRules(f"key:{tenant}", limits, ()),
        ScopeRules(f"tenant:{tenant}", Limits(), (BudgetRule(limit),) if limit else ()),
    )


def _word(refusal: RateRefused | BudgetRefused | AdmissionUnavailable) -> str:
    if isinstance(refusal, RateRefused):
        return refusal.rule
    return "budget" if isinstance(refusal, BudgetRefused) else "unavailable"


class Notes:
    """Where the workers leave their last word: the database. `fails` is what it does at present."""

    def __init__(self, kept: dict[str, str], worker: str) -> None:
        self.kept, self._worker = kept, worker
        self.fails: type[Exception] | None = None

    async def write(self, text: str, _: int) -> bool:
        self._fail()
        self.kept[self._worker] = text
        return True

    async def clear(self, _: int) -> None:
        self._fail()
        self.kept.pop(self._worker, None)

    async def read(self, workers: Sequence[str]) -> dict[str, str]:
        return {worker: self.kept[worker] for worker in workers if worker in self.kept}

    def _fail(self) -> None:
        if self.fails is not None:
            raise self.fails


class Crew:
    """Workers that share a Redis and a ledger. `granted`: what the calls cost that were let through."""

    def __init__(
        self,
        urls: str | Sequence[str],
        workers: int,
        timeout_s: float = PATIENT_S,
        longest_s: float = LONGEST_S,
        *,
        has_notes: bool = False,
    ) -> None:
        """Give each worker an address of its own to be able to cut it off."""
        self._longest_s = longest_s
        self.ledger = SharedLedger()
        self.has_notes, self.said = has_notes, dict[str, str]()
        self.notes: list[Notes] = []  # of each worker
        self._names: list[str] = []
        each = [urls] * workers if isinstance(urls, str) else urls
        self.workers = [self.worker(url, timeout_s) for url in each]
        self.serial = 0
        self.outcomes: Counter[str] = Counter()
        self.refusals: list[str] = []  # each with its reason, for the reader of a failure

    def worker(self, url: str, timeout_s: float = PATIENT_S) -> RedisAdmission:
        """Return one more, not open yet. The database names every worker that was ever made here."""
        name = f"worker-{uuid.uuid4().hex}"
        self.notes.append(notes := Notes(self.said, name))
        one = RedisAdmission(
            url,
            self.ledger.load,
            signer=SIGNER,
            timeout_s=timeout_s,
            longest_s=self._longest_s,
            members=self._members,
            notes=notes if self.has_notes else None,
            worker=name,
        )
        self._names.append(one.worker)
        return one

    async def _members(self) -> dict[str, str]:
        return dict.fromkeys(self._names, "")

    async def __aenter__(self) -> Self:
        for worker in self.workers:
            await worker.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            await worker.aclose()

    async def ask(self, scopes: tuple[ScopeRules, ...], hold: int, tokens: int = 1) -> str:
        """Ask the next worker; return the id of the granted call, or what it was refused for."""
        self.serial += 1
        name = f"call-{self.serial}"
        worker = self.workers[self.serial % len(self.workers)]
        try:
            await worker.admit(AdmissionRequest(name, scopes, tokens, hold))
        except (RateRefused, BudgetRefused, AdmissionUnavailable) as no:
            said, name = f"{name}: {no!r}", _word(no)
            self.refusals.append(f"{said}, {vars(no)}, because of {no.__cause__ or no.__context__!r}")
        self.outcomes["granted" if name.startswith("call-") else name] += 1
        return name

    async def settle(self, name: str, cost: int, tokens: int = 1) -> None:
        worker = self.workers[int(name.removeprefix("call-")) % len(self.workers)]
        await worker.settle(name, tokens, cost)

    async def burst(
        self, scopes: tuple[ScopeRules, ...], hold: int, calls: int, at_once: int = 64
    ) -> list[str]:
        """Ask so often, so many at a time; return the granted calls."""
        gate = asyncio.Semaphore(at_once)

        async def one() -> str:
            async with gate:
                return await self.ask(scopes, hold)

        names = await asyncio.gather(*(one() for _ in range(calls)))
        return [name for name in names if name.startswith("call-")]
