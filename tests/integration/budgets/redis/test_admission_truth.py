"""Workers and a ledger act in any order: money is never overspent, and no call that fits is refused."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from budgets.admission.interface import AdmissionRequest, BudgetRefused, WindowKey, WindowTotal
from budgets.redis.admission import RedisAdmission
from tests.integration.budgets.redis.test_admission_posts import window_of
from tests.integration.budgets.redis_workers import UNHURRIED_S, rules
from tests.support.at_once import at_once
from tests.support.clients.signing import SIGNER
from tests.support.stores.redis_server import RedisServer

LIMIT, WORKERS, STEPS = 3000, 3, 250


class World:
    """What is true: the holds of running calls, the costs of ended ones, and which of these are in the ledger."""

    def __init__(self, server: RedisServer, tenant: int, dice: random.Random) -> None:
        self.server, self.tenant, self.dice = server, tenant, dice
        self.scopes, self.window = rules(LIMIT, tenant=tenant), window_of(tenant)
        self.workers: list[RedisAdmission] = []
        self.total, self.version, self.serial = 0, 1, 0
        self.running: dict[str, tuple[RedisAdmission, int]] = {}
        self.ended: dict[str, tuple[RedisAdmission, int]] = {}  # and not in the ledger
        self.outbox: list[tuple[RedisAdmission, WindowTotal, Sequence[str]]] = []
        self.spent = 0

    async def load(self, keys: Sequence[WindowKey]) -> list[WindowTotal]:
        posts = [WindowTotal(key, self.total, self.version) for key in keys]
        await asyncio.sleep(self.dice.random() * 0.01)  # it is old when it arrives
        return posts

    @property
    def room(self) -> int:
        return LIMIT - self.spent - sum(hold for _, hold in self.running.values())

    async def ask(self) -> None:
        """Ask for one call; posts that are on their way arrive meanwhile."""
        worker = self.dice.choice(self.workers)
        hold = self.dice.choice((self.dice.randint(1, 400), max(1, self.room), self.room + 1))
        self.serial += 1
        name = f"w{self.tenant}-{self.serial}"
        asked = asyncio.create_task(worker.admit(AdmissionRequest(name, self.scopes, 1, hold)))
        if self.outbox and self.dice.random() < 0.5:
            await asyncio.sleep(0.005)
        while self.outbox:
            await self.deliver()
        try:
            await asked
        except BudgetRefused:
            assert self.room < hold
        else:
            self.running[name] = (worker, hold)
            assert self.room >= 0

    async def end(self) -> None:
        if self.running:
            name = self.dice.choice(list(self.running))
            worker, hold = self.running.pop(name)
            cost = self.dice.randint(0, min(hold, 40))
            self.ended[name] = (worker, cost)
            self.spent += cost
            await worker.settle(name, 1, cost)

    async def ship(self) -> None:
        """Put what one worker has ended into the ledger; its post is on its way."""
        worker = self.dice.choice(self.workers)
        names = [name for name, (by, _) in self.ended.items() if by is worker]
        added = sum(self.ended.pop(name)[1] for name in names)
        if added:
            self.total += added
            self.version += 1
        if names:
            says = None if self.dice.random() < 0.1 else added  # some were in the ledger before
            self.outbox.append((worker, WindowTotal(self.window, self.total, self.version, says), names))

    async def deliver(self) -> None:
        if self.outbox:
            worker, post, names = self.outbox.pop(self.dice.randrange(len(self.outbox)))
            for _ in range(self.dice.choice((1, 1, 2))):
                await worker.publish_totals([post], names)

    async def die(self) -> None:
        """One worker crashes: another recovers its journal, part of which is in the ledger already."""
        dead = self.dice.choice(self.workers)
        self.workers.remove(dead)
        await killed(dead)
        heir = self.dice.choice(self.workers)
        lost = [names for worker, _, names in self.outbox if worker is dead]
        self.outbox = [said for said in self.outbox if said[0] is not dead]
        for names in lost:
            await heir.publish_totals(
                [WindowTotal(self.window, self.total, self.version)], names, is_adopted=True
            )
        bills = {name: cost for name, (by, cost) in self.ended.items() if by is dead}
        for name, hold in [(name, hold) for name, (by, hold) in self.running.items() if by is dead]:
            del self.running[name]
            if self.dice.random() < 0.7:  # the others were never written down
                bills[name] = self.dice.randint(0, hold)
                self.spent += bills[name]
        for name in bills:
            self.ended.pop(name, None)
        added = sum(bills.values())
        self.total, self.version = self.total + added, self.version + bool(added)
        await heir.publish_totals(
            [WindowTotal(self.window, self.total, self.version, added)], list(bills), is_adopted=True
        )
        await heir.release_worker(dead.worker)
        await self.hire()

    async def hire(self) -> None:
        worker = RedisAdmission(
            self.server.url, self.load, signer=SIGNER, timeout_s=UNHURRIED_S, longest_s=UNHURRIED_S
        )
        await worker.open()
        self.workers.append(worker)

    async def look(self) -> None:
        budget = (await self.dice.choice(self.workers).status(self.scopes)).budget
        assert budget is not None
        assert budget.remaining_nanousd - budget.held_nanousd <= max(0, self.room)

    async def lose(self) -> None:
        if self.dice.random() < 0.3:
            await asyncio.to_thread(self.server.run, "FLUSHALL")

    async def forget(self) -> None:
        await self.dice.choice(self.workers).invalidate()

    async def live(self) -> None:
        steps = (self.ask, self.end, self.ship, self.deliver, self.look, self.lose, self.forget, self.die)
        for step in self.dice.choices(steps, (30, 30, 12, 10, 10, 2, 2, 2), k=STEPS):
            await step()


async def killed(worker: RedisAdmission) -> None:
    """End it as `kill -9` does: Redis gets nothing more from it."""
    await worker._connection.aclose()  # noqa: SLF001
    await worker.aclose()


async def test_admission_neither_overspends_nor_refuses_too_early() -> None:
    """Each world has its own Redis, so all run at the same time: most of the time they wait."""
    await at_once(lived, range(5))


async def lived(seed: int) -> None:
    server = RedisServer()
    server.start()
    world = World(server, 600 + seed, random.Random(seed))
    try:
        for _ in range(WORKERS):
            await world.hire()
        await world.live()
    finally:
        for worker in world.workers:
            await worker.aclose()
        server.kill()
    assert world.serial > STEPS // 5
