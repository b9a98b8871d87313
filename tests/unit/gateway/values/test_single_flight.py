"""One load at a time for each key; which callers can cancel it, and which get its failure."""

from __future__ import annotations

import asyncio
import gc

import pytest

from gateway.values.single_flight import SingleFlight


class Source:
    """Counts loads; each ends when `gate` is open."""

    def __init__(self):
        self.begun, self.cancelled = [], []
        self.gate = asyncio.Event()
        self.failure = None

    async def load(self, keys):
        self.begun.append(keys)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(keys)
            raise
        if self.failure is not None:
            raise self.failure
        return f"value of {keys}"


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def flights():
    return SingleFlight()


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


async def waiting(source, flights, *keys, **options):
    """Return a task for each key that waits for its load."""
    tasks = [
        asyncio.create_task(flights.run(key, lambda key=key: source.load(key), **options)) for key in keys
    ]
    await turns()
    return tasks


async def test_waiters_for_one_key_share_a_load(source, flights):
    crowd = await waiting(source, flights, "a", "a", "a")
    assert (source.begun, len(flights), "a" in flights) == (["a"], 1, True)
    source.gate.set()
    assert await asyncio.gather(*crowd) == ["value of a"] * 3
    assert (len(flights), "a" in flights) == (0, False)


async def test_different_keys_are_loaded_at_the_same_time(source, flights):
    crowd = await waiting(source, flights, "a", "b")
    assert source.begun == ["a", "b"]
    source.gate.set()
    assert await asyncio.gather(*crowd) == ["value of a", "value of b"]


async def test_a_result_is_not_cached(source, flights):
    source.gate.set()
    for _ in range(2):
        await flights.run("a", lambda: source.load("a"))
    assert source.begun == ["a", "a"]


async def test_a_failure_reaches_all_waiters_and_is_not_cached(source, flights):
    source.failure = OSError("away")
    crowd = await waiting(source, flights, "a", "a")
    source.gate.set()
    assert await asyncio.gather(*crowd, return_exceptions=True) == [source.failure] * 2
    source.failure = None
    assert await flights.run("a", lambda: source.load("a")) == "value of a"
    assert source.begun == ["a", "a"]


async def test_a_failure_without_waiters_is_not_reported_by_asyncio(source, flights):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    source.failure = OSError("away")
    flights.start("a", lambda: source.load("a"))
    source.gate.set()
    await turns()
    gc.collect()
    assert (len(flights), reported) == (0, [])


@pytest.mark.parametrize("cancel_unwaited", [False, True])
async def test_a_cancelled_waiter_leaves_the_load_to_the_others(source, cancel_unwaited):
    flights = SingleFlight[str, str](cancel_unwaited=cancel_unwaited)
    leaver, stayer = await waiting(source, flights, "a", "a")
    leaver.cancel()
    await turns()
    assert (leaver.cancelled(), source.cancelled) == (True, [])
    source.gate.set()
    assert await stayer == "value of a"


async def test_a_load_continues_without_waiters(source, flights):
    (leaver,) = await waiting(source, flights, "a")
    leaver.cancel()
    await turns()
    assert (source.cancelled, "a" in flights) == ([], True)
    (later,) = await waiting(source, flights, "a")
    source.gate.set()
    assert (await later, source.begun) == ("value of a", ["a"])


async def test_the_last_waiter_to_leave_cancels_the_load_where_that_is_asked_for(source):
    flights = SingleFlight[str, str](cancel_unwaited=True)
    crowd = await waiting(source, flights, "a", "a")
    for each in crowd:
        each.cancel()
    await turns()
    assert (source.cancelled, len(flights)) == (["a"], 0)
    (later,) = await waiting(source, flights, "a")
    source.gate.set()
    assert (await later, source.begun) == ("value of a", ["a", "a"])


@pytest.mark.parametrize("cancel_unwaited", [False, True])
async def test_a_waiter_stops_waiting_in_time(source, cancel_unwaited):
    flights = SingleFlight[str, str](cancel_unwaited=cancel_unwaited)
    with pytest.raises(TimeoutError):
        await flights.run("a", lambda: source.load("a"), within_s=0.001)
    await turns()
    assert (source.cancelled, len(flights)) == ((["a"], 0) if cancel_unwaited else ([], 1))


async def test_a_forgotten_load_serves_its_waiters_and_no_others(source, flights):
    before = await waiting(source, flights, "a")
    flights.forget()
    after = await waiting(source, flights, "a")
    assert source.begun == ["a", "a"]
    source.gate.set()
    await before[0]
    assert await asyncio.gather(*before, *after) == ["value of a"] * 2


async def test_the_end_of_a_forgotten_load_does_not_end_its_successor(source):
    flights = SingleFlight[str, str](cancel_unwaited=True)
    before = await waiting(source, flights, "a")
    flights.forget()
    after = await waiting(source, flights, "a")
    before[0].cancel()
    await turns()
    assert (source.cancelled, "a" in flights) == (["a"], True)
    source.gate.set()
    assert await after[0] == "value of a"


async def test_several_keys_are_loaded_together_but_for_those_that_are_being_loaded(source, flights):
    await waiting(source, flights, "a")
    both = asyncio.create_task(flights.run_all(["a", "b", "c", "b"], source.load))
    (third,) = await waiting(source, flights, "c")
    assert source.begun == ["a", ["b", "c"]]
    source.gate.set()
    await both
    assert await third == "value of ['b', 'c']"
    assert len(flights) == 0
    await flights.run_all([], source.load)


async def test_the_first_failure_of_several_loads_is_raised_at_once(source, flights):
    await waiting(source, flights, "a")
    other = Source()
    other.failure = OSError("away")
    other.gate.set()
    with pytest.raises(OSError, match="away"):
        await flights.run_all(["a", "b"], other.load)
    assert "a" in flights


async def test_closing_cancels_running_loads_and_waits_for_their_end(source, flights):
    crowd = await waiting(source, flights, "a", "b")
    flights.start("c", lambda: source.load("c"))
    await turns()
    await flights.aclose()
    assert (source.cancelled, len(flights)) == (["a", "b", "c"], 0)
    await asyncio.wait(crowd)
    assert all(each.cancelled() for each in crowd)
    await flights.aclose()


async def test_a_failure_leaves_nothing_to_the_garbage_collector(source, flights):
    source.failure = OSError("away")
    source.gate.set()
    for run in (
        lambda: flights.run("a", lambda: source.load("a")),
        lambda: flights.run_all("ab", source.load),
    ):
        gc.collect()
        gc.disable()
        try:
            with pytest.raises(OSError, match="away"):
                await run()
            source.failure = OSError("away")  # the raised one refers to the frames that it passed
            await turns()
            assert gc.collect() == 0
        finally:
            gc.enable()
