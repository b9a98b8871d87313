"""Two workers spend a budget as fast as it is raised, while links break and Redis loses data; checks what must hold.

The budget is always nearly spent: whatever is not counted for a moment is granted a second time.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Self

from budgets.admission.interface import (
    AdmissionRequest,
    AdmissionUnavailable,
    BudgetRefused,
    WindowKey,
    WindowTotal,
)
from budgets.redis.admission import RedisAdmission
from tests.integration.budgets.redis.test_admission_posts import window_of
from tests.integration.budgets.redis_workers import Notes, rules
from tests.support.clients.signing import SIGNER
from tests.support.faults.tcp_proxy import Link
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

CENT = 10_000_000
FIRST, MORE, PRICE = 1000 * CENT, 100 * CENT, 5 * CENT
CALLERS = 6  # of each worker
IMPATIENT_S = 0.03
EVENTS = 14
PAUSE_S = 0.005  # of a caller


class Storm:
    """The callers, the ledger and the weather. `spent` and `running` are true at every moment."""

    def __init__(
        self, server: RedisServer, tenant: int, dice: random.Random, *, has_notes: bool = False
    ) -> None:
        self.has_notes, self.said = has_notes, dict[str, str]()
        self.server, self.tenant, self.dice = server, tenant, dice
        self.limit, self.window = FIRST, window_of(tenant)
        self.links = [Link(server.port) for _ in range(2)]
        self.workers: list[RedisAdmission] = []
        self.total, self.version, self.serial, self.spent, self.running = 0, 1, 0, 0, 0
        self.ended: dict[str, list[str]] = {}  # by worker: what is not in the ledger
        self.heard: Counter[str] = Counter()
        self.overspent: list[int] = []
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def load(self, keys: Sequence[WindowKey]) -> list[WindowTotal]:
        posts = [WindowTotal(key, self.total, self.version) for key in keys]
        await asyncio.sleep(self.dice.random() * 0.01)  # it is old when it arrives
        return posts

    async def members(self) -> dict[str, str]:
        return dict.fromkeys(self.ended, "")

    async def __aenter__(self) -> Self:
        for link in self.links:
            await link.mend()
            name = f"worker-{uuid.uuid4().hex}"
            one = RedisAdmission(
                link.url,
                self.load,
                signer=SIGNER,
                timeout_s=IMPATIENT_S,
                members=self.members,
                notes=Notes(self.said, name) if self.has_notes else None,
                worker=name,
            )
            self.workers.append(one)
            self.ended[one.worker] = []
            await one.open()
        for one in self.workers:
            self._tasks += [asyncio.create_task(self._call(one)) for _ in range(CALLERS)]
            self._tasks.append(asyncio.create_task(self._ship(one)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        await asyncio.gather(*self._tasks)
        for one in self.workers:
            await one.aclose()
        for link in self.links:
            await link.cut()

    async def _call(self, worker: RedisAdmission) -> None:
        while not self._is_over:
            self.serial += 1
            name = f"s{self.tenant}-{self.serial}"
            try:
                await worker.admit(AdmissionRequest(name, rules(self.limit, tenant=self.tenant), 1, PRICE))
            except (BudgetRefused, AdmissionUnavailable) as no:
                self.heard[type(no).__name__] += 1
            else:
                self.heard["granted"] += 1
                await self._serve(worker, name)
            await asyncio.sleep(PAUSE_S)

    async def _serve(self, worker: RedisAdmission, name: str) -> None:
        self.running += PRICE
        if self.spent + self.running > self.limit:
            self.overspent.append(self.spent + self.running - self.limit)
        await asyncio.sleep(self.dice.random() * 0.03)
        self.running, self.spent = self.running - PRICE, self.spent + PRICE
        self.ended[worker.worker].append(name)
        await worker.settle(name, 1, PRICE)

    async def _ship(self, worker: RedisAdmission) -> None:
        while not self._is_over:
            names, self.ended[worker.worker] = self.ended[worker.worker], []
            posts = []
            if names:
                added = PRICE * len(names)
                self.total, self.version = self.total + added, self.version + 1
                posts = [WindowTotal(self.window, self.total, self.version, added)]
            await worker.publish_totals(posts, names)
            await asyncio.sleep(0.03)

    async def rage(self) -> None:
        """Let happen what may, and then nothing."""
        for event in self.dice.choices((self._cut, self._mend, self._delay, self._lose), k=EVENTS):
            await event()
            await asyncio.sleep(self.dice.random() * 0.15)
            self.limit += MORE
        for link in self.links:
            link.late_s = 0.0
            await link.cut()
            await link.mend()

    async def spend_the_rest(self) -> None:
        await eventually(lambda: (self.spent, self.running), lambda now: now[0] >= self.limit and not now[1])

    async def _cut(self) -> None:
        await self.dice.choice(self.links).cut()

    async def _mend(self) -> None:
        link = self.dice.choice(self.links)
        await link.cut()
        await link.mend()

    async def _delay(self) -> None:
        self.dice.choice(self.links).late_s = self.dice.choice((0.0, 0.04, 0.1))

    async def _lose(self) -> None:
        await asyncio.to_thread(self.server.run, "FLUSHALL")
