"""Random clients that test the promise (tests/support/books/promise.py): calls, providers, disconnects and kills.

Moments are random too, and none is a time: each is so many events of the crowd later.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.support.books.ledger import committed
from tests.support.books.money import nanousd, settled
from tests.support.books.promise import PREFIX, Accounts, Book, Lane, adds_up, is_served
from tests.support.clients.random_bodies import Bodies, Body
from tests.support.clients.raw_calls import RawAnswer, ask
from tests.support.provider.random_behavior import behavior
from tests.support.servers.gateway import Gateway
from tests.support.servers.upstream import Upstream
from tests.support.stores import stores
from tests.support.waiting import eventually

TOLD = ("limit", "spent", "held", "unsettled")
MOST_SHOWN = 3_000  # letters of a body
LOOK_EVERY = 12  # events
DEADLINES_MS = (1, 20, 150)
WINDOWS = (
    "SELECT k.prefix, t.name, w.spent_nanousd FROM budgets_spendwindow w "
    "LEFT JOIN tenants_apikey k ON w.scope = 'key:' || k.id LEFT JOIN tenants_tenant t ON w.scope = 'tenant:' || t.id"
)


class Moments:
    """Counts what happens in the crowd."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: list[tuple[int, asyncio.Event]] = []

    def tick(self) -> None:
        self.count += 1
        for due, event in self._waiting:
            if due <= self.count:
                event.set()

    async def after(self, events: int) -> None:
        event, due = asyncio.Event(), self.count + events
        self._waiting.append((due, event))
        await event.wait()
        self._waiting.remove((due, event))


class Crowd:
    """Clients that call, one call after the other each, until all crashes are done and as many calls are made."""

    def __init__(
        self, gateway: Gateway, upstream: Upstream, lanes: Sequence[Lane], limits: dict[int, str]
    ) -> None:
        self._gateway, self._upstream, self._lanes, self._limits = gateway, upstream, lanes, limits
        self._accounts = Accounts(lanes)
        self._since = max(
            (book["number"] for book in upstream.books(PREFIX)), default=0
        )  # of another gateway
        self._moments, self._is_up = Moments(), asyncio.Event()
        self._is_up.set()
        self._deaths_left = 0
        self.answers: list[RawAnswer] = []
        self.looks = self.refused = self.exact = 0

    async def run(self, dice: random.Random, calls: int, deaths: int) -> None:
        """Raises AssertionError where the promise is broken, in a group."""
        self._deaths_left = deaths
        own = [random.Random(dice.random()) for _ in self._lanes]
        async with asyncio.TaskGroup() as others:
            tasks = [others.create_task(self._watch()), others.create_task(self._die(dice, calls))]
            async with asyncio.TaskGroup() as clients:
                for lane, lanes_dice in zip(self._lanes, own, strict=True):
                    clients.create_task(self._live(lane, lanes_dice, calls))
            for task in tasks:
                task.cancel()

    async def rest(self) -> None:
        """Wait until nothing runs, and compare ledger, budgets, providers and clients."""
        await settled(self._gateway)
        books = await eventually(self._books, lambda found: all(book["ended_at"] for book in found))
        ids = {book["id"] for book in books}
        mine = await eventually(self._rows, lambda rows: ids <= rows.keys())
        self._compare(mine, books)
        for answer in self.answers:
            if answer.saw_the_end:
                is_served(answer, mine.get(answer.id), [book for book in books if book["id"] == answer.id])
        await self._look(books)
        self._compare_windows(mine)

    def _compare(self, rows: dict[str, Any], books: list[Book]) -> None:
        self.exact, faults = self._accounts.compare(rows, books)
        asked = {call: self._upstream.seen(call=call)[0]["body"][:MOST_SHOWN] for call in faults}
        assert not faults, "\n".join(f"\n{text}\n{asked[call]}" for call, text in faults.items())

    def _books(self) -> list[Book]:
        return [book for book in self._upstream.books(PREFIX) if book["number"] > self._since]

    def _rows(self) -> dict[str, Any]:
        return {row["id"]: row for row in committed(self._gateway)}

    def _compare_windows(self, rows: dict[str, Any]) -> None:
        """Each budget's total is the sum of its calls, to the last nano-USD, and never more than its limit."""
        counted: dict[str, int] = {}
        for row in rows.values():
            for scope in (row["api_key_prefix"], row["tenant"]):
                counted[scope] = counted.get(scope, 0) + row["cost_nanousd"] + row["unsettled_nanousd"]
        found = self._gateway.sql(WINDOWS)
        assert found
        for key, tenant, spent in found:
            scope = key or tenant
            [limit] = [limit for limit, name in self._limits.items() if name == scope]
            assert spent == counted.get(scope, 0), scope
            assert spent <= limit, scope

    async def _look(self, books: list[Book]) -> None:
        """Compare each budget that a client can see with what its providers bill up to this moment."""
        owed = self._accounts.owed(books)
        async with self._gateway.client() as client:
            for key in {lane.key for lane in self._lanes}:
                answer = await client.get("/v1/models", headers={"authorization": f"Bearer {key}"})
                if f"x-budget-{TOLD[0]}-usd" not in answer.headers:
                    continue  # a store that answers late leaves them out
                limit, *parts = [nanousd(answer.headers[f"x-budget-{name}-usd"]) for name in TOLD]
                scope = self._limits[limit]
                if owed[scope] > sum(parts):
                    await settled(self._gateway)
                    self._compare(self._rows(), self._books())  # says which call it is
                assert owed[scope] <= sum(parts) <= limit, (scope, owed[scope], parts, limit)
                self.looks += 1

    async def _watch(self) -> None:
        while True:
            await self._moments.after(LOOK_EVERY)
            try:
                await self._look(self._books())
            except httpx.TransportError:
                continue  # it has just crashed

    async def _die(self, dice: random.Random, calls: int) -> None:
        for _ in range(self._deaths_left):
            await self._moments.after(dice.randint(1, calls * len(self._lanes)))
            workers = _workers(self._gateway)
            if workers and dice.random() < 0.5:
                os.kill(dice.choice(workers), signal.SIGKILL)
            else:
                await self._start_again(self._gateway.stop if dice.random() < 0.3 else self._gateway.kill)
            self._deaths_left -= 1

    async def _start_again(self, end: Callable[[], None]) -> None:
        self._is_up.clear()
        await asyncio.to_thread(end)
        await asyncio.to_thread(self._gateway.start)
        self._is_up.set()

    async def _live(self, lane: Lane, dice: random.Random, calls: int) -> None:
        bodies, made = Bodies(dice), 0
        while made < calls or self._deaths_left:
            body = bodies.make(lane.makes, lane.alias, lane.window)
            body.members["request_id"] = (
                f"{lane.alias}-{id(self)}-{made}"  # the provider knows the call by it
            )
            behaviors = [behavior(dice, body) for _ in range(dice.randint(1, 3))]
            self._upstream.script(body.members["request_id"], *behaviors)
            await self._is_up.wait()
            answer = await self._call(lane, dice, body)
            made += 1
            self._moments.tick()
            if answer is not None and answer.status:
                self._heard(answer)

    def _heard(self, answer: RawAnswer) -> None:
        self.answers.append(answer)
        if answer.status == 429 and answer.is_whole and "budget" in answer.error:
            self.refused += 1
            adds_up(answer)

    async def _call(self, lane: Lane, dice: random.Random, body: Body) -> RawAnswer | None:
        """Make one call as one of these clients would: it stays, leaves, or has little time."""
        is_hasty = dice.random() < 0.15
        headers = {"x-request-timeout-ms": str(dice.choice(DEADLINES_MS))} if is_hasty else {}
        leave_after = dice.randrange(10) if body.streams and dice.random() < 0.2 else None
        asking = asyncio.create_task(
            ask(
                self._gateway.url,
                lane.key,
                body.members,
                headers=headers,
                path=body.path,
                leave_after=leave_after,
            )
        )
        if dice.random() < 0.8:
            return await asking
        leaving = asyncio.create_task(self._moments.after(dice.randint(1, 6)))
        await asyncio.wait([asking, leaving], return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if asking.done():
            return asking.result()
        asking.cancel()
        await asyncio.wait([asking])
        return None


def _workers(gateway: Gateway) -> list[int]:
    """Return the processes that serve beside its supervisor."""
    if not stores.workers():
        return []
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text()
    return [int(pid) for pid in children.split()]
