"""A worker is late, cut off or ended at the worst moment: its grants are counted at every moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import pytest
from typing_extensions import override

from budgets.admission.interface import (
    Admission,
    AdmissionRequest,
    AdmissionUnavailable,
    BudgetRefused,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.redis import commands, replies
from budgets.redis.admission import RedisAdmission
from tests.integration.budgets.redis.test_admission_posts import window_of
from tests.integration.budgets.redis_workers import PATIENT_S, Crew, rules
from tests.support.clients.signing import SIGNER
from tests.support.faults.tcp_proxy import Link
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

T = TypeVar("T")
PRICE, CENT = 10, 10_000_000
SHORT_S = 0.03


@pytest.fixture
async def link(redis_server: RedisServer) -> AsyncIterator[Link]:
    """Yield the second worker's way to Redis."""
    async with Link(redis_server.port) as one:
        yield one


async def outcome(worker: Admission, scopes: tuple[ScopeRules, ...], name: str, hold: int = PRICE) -> str:
    try:
        await worker.admit(AdmissionRequest(name, scopes, 1, hold))
    except AdmissionUnavailable:
        return "unavailable"
    except BudgetRefused:
        return "full"
    return "granted"


async def until(read: Callable[[], Awaitable[T]], holds: Callable[[T], object] = bool) -> T:
    """Return what is read once it holds."""
    found: T = await eventually(cast("Callable[[], Any]", read), holds)
    return found


async def counted(worker: Admission, scopes: tuple[ScopeRules, ...]) -> int:
    budget = (await worker.status(scopes)).budget
    assert budget is not None
    return budget.spent_nanousd + budget.held_nanousd


async def test_calls_shipped_before_redis_gets_their_ends_stay_counted(
    redis_server: RedisServer, link: Link
) -> None:
    """The link breaks, calls end, the ledger has them, the link heals: their ends are sent, and then their batch."""
    calls, scopes = 200, rules(200 * PRICE, tenant=800)
    names = [f"u{n}" for n in range(calls)]
    async with Crew((redis_server.url, link.url), 2) as crew:
        other, worker = crew.workers
        for name in names:
            await worker.admit(AdmissionRequest(name, scopes, 1, PRICE))
        await link.cut()
        await asyncio.gather(*(worker.settle(name, 1, PRICE) for name in names))
        posts = [WindowTotal(window_of(800), calls * PRICE, 2, calls * PRICE)]
        assert not await worker.publish_totals(posts, names)
        asking = asyncio.create_task(_ask_until(other, scopes, told := asyncio.Event()))
        await link.mend()
        await until(lambda: worker.publish_totals([], []))
        told.set()
        assert await asking == {"full"}
        assert await counted(other, scopes) == calls * PRICE


async def _ask_until(worker: RedisAdmission, scopes: tuple[ScopeRules, ...], over: asyncio.Event) -> set[str]:
    heard, serial = set(), 0
    while not over.is_set():
        serial += 1
        heard.add(await outcome(worker, scopes, f"more-{serial}"))
    return heard


class SlowLedger:
    """Returns the state at the time of the query, and only when the test allows it."""

    def __init__(self) -> None:
        self.spent, self.version = 0, 1
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def load(self, keys: Sequence[WindowKey]) -> list[WindowTotal]:
        posts = [WindowTotal(key, self.spent, self.version) for key in keys]
        self.asked.set()
        await self.may_answer.wait()
        return posts


async def test_totals_read_before_a_data_loss_are_not_used_after_it(
    redis_server: RedisServer,
) -> None:
    scopes, before, after = rules(1000, tenant=801), SlowLedger(), SlowLedger()
    one = RedisAdmission(redis_server.url, before.load, signer=SIGNER, timeout_s=PATIENT_S)
    other = RedisAdmission(redis_server.url, after.load, signer=SIGNER, timeout_s=PATIENT_S)
    await one.open()
    await other.open()
    try:
        await one.status(rules(0, tenant=801))  # the tenant is known, its budget is new
        asked = asyncio.create_task(one.status(scopes))
        await before.asked.wait()
        await asyncio.to_thread(redis_server.run, "FLUSHALL")
        after.spent, after.version = 600, 2  # a batch that was posted before the loss
        rebuilt = asyncio.create_task(other.status(scopes))
        await after.asked.wait()
        before.may_answer.set()
        await eventually(lambda: not one._prerequisites._learning.running)  # noqa: SLF001 - the totals are loaded
        after.may_answer.set()
        await asyncio.gather(asked, rebuilt)
        assert await counted(other, scopes) == 600
    finally:
        await one.aclose()
        await other.aclose()


async def test_recovery_begun_before_a_data_loss_does_not_finish_after_it(
    redis_server: RedisServer,
) -> None:
    """Its commands may be done twice, the second time after the loss: the link was lost, not they."""
    scopes = rules(1000, tenant=802)
    async with Crew(redis_server.url, 1) as crew:
        run: Any = crew.workers[0]._run  # noqa: SLF001 - step by step
        begun = await run(commands.BEGIN_RECOVERY, "t802", ["mine", 5000, []])
        again = await run(commands.BEGIN_RECOVERY, "t802", ["mine", 5000, []])
        assert (type(again), again.gen) == (replies.Begun, begun.gen)
        assert isinstance(await run(commands.BEGIN_RECOVERY, "t802", ["another's", 5000, []]), replies.Locked)
        await asyncio.to_thread(redis_server.run, "FLUSHALL")
        late = await run(commands.BEGIN_RECOVERY, "t802", ["mine", 5000, []])
        assert late.gen != begun.gen
        ends = [await run(commands.FINISH_RECOVERY, "t802", ["mine", each.gen, []]) for each in (begun, late)]
        assert [type(end) for end in ends] == [replies.Late, replies.Opened]
        assert await counted(crew.workers[0], scopes) == 0


async def test_outage_allowance_from_before_a_data_loss_is_not_returned_after_it(
    redis_server: RedisServer,
) -> None:
    scopes = rules(1000 * CENT, tenant=803)
    async with Crew(redis_server.url, 1) as crew:
        worker = crew.worker(redis_server.url, SHORT_S)
        await worker.open(tend=False)
        try:
            await until(lambda: outcome(worker, scopes, "first", CENT), lambda said: said == "granted")
            await worker._allowances.renew(time.time())  # noqa: SLF001 - no periodic work runs
            redis_server.hang()
            assert await outcome(worker, scopes, "offline", 9 * CENT) == "granted"
            redis_server.go_on()
            await asyncio.to_thread(redis_server.run, "FLUSHALL")
            other = crew.workers[0]
            await until(lambda: outcome(other, scopes, "after", CENT), lambda said: said == "granted")
            redis_server.hang()
            await worker.settle("offline", 1, 0)
            assert await outcome(worker, scopes, "offline again", 9 * CENT) == "unavailable"
        finally:
            redis_server.go_on()
            await worker.aclose()


async def test_an_ended_worker_is_waited_for_until_its_calls_are_in_the_ledger(
    redis_server: RedisServer,
) -> None:
    scopes = rules(100 * PRICE, tenant=804)
    async with Crew(redis_server.url, 2) as crew:
        living, leaving = crew.workers
        for n in range(60):
            await leaving.admit(AdmissionRequest(f"l{n}", scopes, 1, PRICE))
            await leaving.settle(f"l{n}", 1, PRICE)
        assert not await leaving.aclose()  # the database is away, say
        await asyncio.to_thread(redis_server.run, "FLUSHALL")
        assert await outcome(living, scopes, "too early") == "unavailable"
        crew.ledger.spent, crew.ledger.version = 60 * PRICE, 2  # what adoption found in its journal
        await living.release_worker(leaving.worker)
        await until(lambda: outcome(living, scopes, "late"), lambda said: said == "granted")
        assert await counted(living, scopes) == 61 * PRICE


async def test_an_ended_worker_without_open_calls_is_not_waited_for(redis_server: RedisServer) -> None:
    scopes = rules(100 * PRICE, tenant=805)
    async with Crew(redis_server.url, 2) as crew:
        living, leaving = crew.workers
        await leaving.admit(AdmissionRequest("done", scopes, 1, PRICE))
        await leaving.settle("done", 1, PRICE)
        crew.ledger.spent, crew.ledger.version = PRICE, 2
        assert await leaving.publish_totals([WindowTotal(window_of(805), PRICE, 2, PRICE)], ["done"])
        assert await leaving.aclose()
        await asyncio.to_thread(redis_server.run, "FLUSHALL")
        assert await outcome(living, scopes, "next") == "granted"


class LateLink(Link):
    """Passes every answer on so much later, however many there are on the way."""

    shift_s = 0.0

    @override
    async def _pipe(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        if not is_answer:
            return await super()._pipe(source, sink, is_answer=False)
        loop = asyncio.get_running_loop()
        while data := await source.read(65536):
            loop.call_later(self.shift_s, sink.write, data)
        return sink.transport.abort()


async def test_a_call_reported_again_while_it_is_shipped_is_not_counted_twice(
    redis_server: RedisServer,
) -> None:
    scopes = rules(100 * PRICE, tenant=806)
    async with LateLink(redis_server.port) as link, Crew(redis_server.url, 1) as crew:
        worker = crew.worker(link.url, SHORT_S)
        await worker.open()
        try:
            await until(lambda: outcome(worker, scopes, "twice"), lambda said: said == "granted")
            await worker.settle("twice", 1, PRICE)
            link.shift_s = 0.036  # the first answer is too late, and the command is sent once more
            telling = asyncio.create_task(worker._outbox.resend(None))  # noqa: SLF001 - as after a loss
            await asyncio.sleep(0.015)
            await worker.publish_totals([WindowTotal(window_of(806), PRICE, 2, PRICE)], ["twice"])
            await asyncio.gather(telling, return_exceptions=True)
            link.shift_s = 0.0
            await until(lambda: worker.publish_totals([], []))
            assert await counted(crew.workers[0], scopes) == PRICE
        finally:
            await worker.aclose()


class HoldingLink(Link):
    """Holds back the bytes of its first client until the test lets them pass, also after its disconnect."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.is_holding, self.may_pass, self.passed = False, asyncio.Event(), asyncio.Event()

    @override
    async def _pipe(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        if is_answer:
            return await super()._pipe(source, sink, is_answer=True)
        try:
            while data := await source.read(65536):
                if self.is_holding and not self.may_pass.is_set():
                    await self.may_pass.wait()
                    sink.write(data)
                    await sink.drain()
                    self.passed.set()
                    return None
                sink.write(data)
                await sink.drain()
        except OSError:
            self.passed.set()
        finally:
            sink.close()
            self._ends.discard(sink)
        return None


async def test_commands_of_an_old_connection_do_not_run_after_those_of_the_new_one(
    redis_server: RedisServer,
) -> None:
    scopes = rules(100 * PRICE, tenant=807)
    async with HoldingLink(redis_server.port) as link, Crew(redis_server.url, 1) as crew:
        worker = crew.worker(link.url, SHORT_S)
        await worker.open()
        try:
            await until(lambda: outcome(worker, scopes, "before"), lambda said: said == "granted")
            link.is_holding = True
            assert await outcome(worker, scopes, "held up") == "unavailable"
            link.is_holding = False  # for the next connection
            await until(lambda: outcome(worker, scopes, "next"), lambda said: said == "granted")
            await eventually(lambda: not worker._outbox._unsettled)  # noqa: SLF001 - the doubt is settled
            before = await counted(crew.workers[0], scopes)
            assert before == 2 * PRICE
            link.may_pass.set()
            await link.passed.wait()
            for _ in range(3):  # Redis reads what has come before it answers what comes next
                assert await counted(crew.workers[0], scopes) == before
        finally:
            await worker.aclose()
