from __future__ import annotations

import struct
from collections import Counter
from typing import cast

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from redis import Redis
from typing_extensions import override

from budgets.local.window_cache import Load
from budgets.redis.admission import RedisAdmission
from tests.support.clients.signing import SIGNER
from tests.support.stores.redis_server import RedisServer
from tests.unit.budgets.admission_machine import LAST_MINUTE_OF_A_LEAP_DAY, AdmissionMachine, Subject
from tests.unit.budgets.clock_step_story import LIMIT, raised_after_a_step_back

PATIENT_S = 5.0  # not the subject here: a busy machine must not look like a lost store


class Hashes:
    """Reads what is stored, as bytes."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)
        self.flushall, self.close = self._redis.flushall, self._redis.close

    def all(self, key: str) -> dict[bytes, bytes]:
        found = cast("dict[bytes, bytes]", self._redis.hgetall(key))
        return {name: value for name, value in found.items() if name != b"="}  # the mark of a whole part

    def slots(self, key: str) -> set[bytes]:
        return set(cast("list[bytes]", self._redis.zrange(key, 0, -1)))

    def number(self, key: str, field: str) -> int:
        return int(cast("bytes | None", self._redis.hget(key, field)) or 0)


class RedisSubject(Subject):
    admission: RedisAdmission
    tells_again = True

    def __init__(self, server: RedisServer) -> None:
        self.instant, self.now = LAST_MINUTE_OF_A_LEAP_DAY, 1000.25
        self._url, self._redis = server.url, Hashes(server.url)
        self._is_started = False

    @override
    async def start(self, load: Load) -> None:
        if self._is_started:
            await self.admission.aclose()
        self._redis.flushall()
        clock = lambda: (self.now, self.instant)  # noqa: E731 - two clocks in the test's hand
        self.admission = RedisAdmission(self._url, load, signer=SIGNER, timeout_s=PATIENT_S, clock=clock)
        await self.admission.open(tend=False)
        self._is_started = True

    async def close(self) -> None:
        await self.admission.aclose()
        self._redis.close()

    @override
    def faults(self) -> list[str]:
        return faults(self._redis)

    @override
    def census(self) -> tuple[int, int, int]:
        rows = [msgspec.msgpack.decode(row) for row in self._redis.all("omg:{t1}:calls").values()]
        settled = sum(row[3] for row in rows)
        orphans = self._redis.number("omg:{t1}:meta", "orphans")
        return len(rows) - settled, settled, orphans


def faults(redis: Hashes) -> list[str]:
    """Return every sum that is not the sum of its rows: of windows, and of what new windows are made of."""
    calls = {name: msgspec.msgpack.decode(row) for name, row in redis.all("omg:{t1}:calls").items()}
    rows = list(calls.values())
    gen = redis.number("omg:{t1}:meta", "gen")
    wrong = []
    for scope in ("key:1", "key:2", "tenant:1"):
        for name, packed in redis.all("omg:{t1}:money:" + scope).items():
            start, stop, _, _, held, settled, of_gen, _, _ = struct.unpack_from("<9d", packed)
            mine = [row for row in rows if scope in row[5:] and start <= row[2] < stop and not row[4]]
            true = sum(row[0] for row in mine if not row[3]), sum(row[0] for row in mine if row[3])
            if of_gen == gen and true != (held, settled):
                wrong.append(f"{scope} {name.decode()}: {held}, {settled} but the rows say {true}")
        for place, what in ((0, "owed"), (1, "unsure")):
            owed: Counter[bytes] = Counter()
            for row in rows:
                if scope in row[5:] and row[3] and not row[4] and row[place]:
                    owed[f"{gen}|{row[2] // 900:.0f}".encode()] += row[place]
            kept = {name: int(sum_) for name, sum_ in redis.all(f"omg:{{t1}}:{what}:" + scope).items()}
            current = {name: sum_ for name, sum_ in kept.items() if name.startswith(b"%d|" % gen)}
            if current != owed:
                wrong.append(f"{scope} {what} {current} but the rows say {dict(owed)}")
        running = {name for name, row in calls.items() if scope in row[5:] and not row[3]}
        if missing := running - redis.slots("omg:{t1}:slots:" + scope):
            wrong.append(f"{scope} has no slots for {missing}")
    return wrong


@pytest.mark.parametrize(("examples", "steps"), [(20, 500), pytest.param(60, 2_000, marks=pytest.mark.soak)])
def test_redis_admission_decides_like_the_naive_model_in_thousands_of_steps(
    redis_server: RedisServer, examples: int, steps: int
) -> None:
    seen: Counter[str] = Counter()

    class RedisMachine(AdmissionMachine):
        @override
        def subject(self) -> Subject:
            return RedisSubject(redis_server)

        @override
        def teardown(self) -> None:
            assert isinstance(self.it, RedisSubject)
            self.runner.run(self.it.close())
            super().teardown()

        @invariant()
        def another_step_was_made(self) -> None:
            seen.update(steps=1)

    run_state_machine_as_test(
        RedisMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            database=None,
            report_multiple_bugs=False,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert seen["steps"] >= steps


async def test_a_step_back_over_midnight_counts_in_both_windows_of_a_rolling_budget(
    redis_server: RedisServer,
) -> None:
    subject = RedisSubject(redis_server)
    assert await raised_after_a_step_back(subject) == (LIMIT, False)
    await subject.close()
