"""The counting process: a tenant's share, a spent quota, a fault. In each case the bytes are the bound."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal

import pytest

from budgets.admission.interface import AdmissionRequest, Limits, RateRefused, ScopeRules
from budgets.local.admission import LocalAdmission
from gateway.inference import token_counter
from gateway.inference.token_counter import MOST_WAITING, QUOTA_S, TokenCounter, charge
from gateway.values.fallback_log import FALLBACKS
from gateway.values.quota import Quota
from providers.media.pdf.measure import measure
from providers.processes.heavy_work import GRACE_S, HeavyWork, Share
from providers.processes.work_process import WorkerLost
from providers.requests.documents import Measured, measured
from providers.tokens.amounts import Bound
from providers.tokens.count_process import Done, Job, count
from tests.support.clients.pdfs import plain

MODELS = ("gpt-4o",)


def body(text):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()


@pytest.fixture
async def counter():
    counter = TokenCounter(lambda: 0.0)
    yield counter
    await counter.aclose()


@pytest.fixture
def heard():
    before = FALLBACKS.happened.copy()
    return lambda where: FALLBACKS.happened[where] - before[where]


async def test_counter_counts_in_a_process_of_its_own(counter, heard):
    found = await counter.count(1, body("hello world"), MODELS)
    assert isinstance(found, Bound)
    assert 8 <= found.tokens <= 30
    assert counter.counted == 1
    assert counter._process.pid != os.getpid()  # noqa: SLF001
    assert heard("token_counter") == 0


async def test_text_without_a_known_tokenizer_is_not_sent_to_the_counter(counter):
    assert await counter.count(1, body("hello"), ("up-unknown",)) is None
    assert await counter.count(1, body("hello"), ("gpt-4o", "gpt-4")) is None
    assert await counter.count(1, body("x" * 600_000), MODELS) is None
    assert counter._process is None  # noqa: SLF001


async def test_a_tenant_that_used_its_time_waits_and_others_do_not(counter, heard):
    counter._quota.spend(1, QUOTA_S)  # noqa: SLF001
    assert await counter.count(1, body("hello"), MODELS) is None
    assert heard("token_counter_quota") == 1
    assert await counter.count(2, body("hello"), MODELS) is not None


async def test_concurrent_prompts_are_counted_up_to_the_queue_limit(counter, heard):
    crowd = [counter.count(1, body("hello"), MODELS) for _ in range(MOST_WAITING + 3)]
    found = await asyncio.gather(*crowd)
    assert [each is None for each in found] == [False] * MOST_WAITING + [True] * 3
    assert heard("token_counter_busy") == 3
    assert await counter.count(1, body("hello"), MODELS) is not None


async def test_used_counting_time_is_refilled():
    now = [0.0]
    quota = Quota(lambda: now[0], QUOTA_S, token_counter.REFILL)
    quota.spend(1, QUOTA_S)
    assert quota.left(1) == 0
    now[0] = 10.0
    assert quota.left(1) == pytest.approx(1.0)
    now[0] = 1_000.0
    assert quota.left(1) == QUOTA_S


async def test_a_crashed_counting_process_is_noticed_and_replaced(counter, heard):
    assert await counter.count(1, body("hello"), MODELS) is not None
    process = counter._process  # noqa: SLF001
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert await counter.count(1, body("hello"), MODELS) is not None
    os.kill(counter._process.pid, signal.SIGSTOP)  # noqa: SLF001
    waiting = asyncio.ensure_future(counter.count(1, body("hello"), MODELS))
    await asyncio.sleep(0)
    os.kill(counter._process.pid, signal.SIGKILL)  # noqa: SLF001
    assert await waiting is None
    assert heard("token_counter") == 1
    assert await counter.count(1, body("hello"), MODELS) is not None


async def test_a_cancelled_count_spoils_no_other_count(counter):
    long = asyncio.ensure_future(counter.count(1, body("word " * 50_000), MODELS))
    await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    found = await counter.count(1, body("hello world"), MODELS)
    assert found is not None
    assert found.tokens < 30


async def test_a_cancelled_caller_is_charged_for_the_started_count(counter):
    assert await counter.count(2, body("hello"), MODELS) is not None
    process = counter._process  # noqa: SLF001
    for _ in range(3):
        left = counter._quota.left(1)  # noqa: SLF001
        long = asyncio.ensure_future(counter.count(1, body("word " * 20_000), MODELS))
        for _ in range(5):  # until it has begun
            await asyncio.sleep(0)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        assert counter._quota.left(1) < left  # noqa: SLF001
    assert counter._process is process  # noqa: SLF001 - no other caller waits for a new one


def paper(data):
    file = {"file_data": base64.b64encode(data).decode()}
    messages = [{"role": "user", "content": [{"type": "file", "file": file}]}]
    return json.dumps({"model": "m", "messages": messages}).encode()


@pytest.fixture
async def measurer():
    heavy = HeavyWork()
    yield TokenCounter(lambda: 0.0, heavy)
    heavy.close()


async def test_pdfs_are_measured_in_another_process_on_the_tenants_time(measurer, heard):
    assert await measurer.documents(1, paper(plain(2_000))) == (measure(plain(2_000)),)
    assert measurer._quota.left(1) < QUOTA_S  # noqa: SLF001
    for junk in (
        plain(3)[:-90],
        b"%PDF-1.7",
        plain(2)[:200],
        b"%PDF-1.4\n" + bytes(500),
    ):  # a tenant's, and no failure of the gateway
        assert await measurer.documents(1, paper(junk)) is None
    assert heard("documents_unreadable") == 0
    measurer._quota.spend(1, QUOTA_S)  # noqa: SLF001
    assert await measurer.documents(1, paper(plain(1))) is None
    assert heard("documents_quota") == 1


def test_a_file_that_our_reader_fails_at_is_a_defect(monkeypatch):
    def fails(*_):
        raise RecursionError

    assert not measured(paper(b"junk"), 1.0).is_defect
    monkeypatch.setattr("providers.requests.documents.measure", fails)
    assert measured(paper(plain(1)), 1.0).is_defect


async def test_a_process_that_cannot_measure_costs_the_tenant_its_time(measurer, heard, monkeypatch):
    async def lost(_share, _gives, _work, _raw, grant):
        grant()
        raise WorkerLost("gone")

    monkeypatch.setattr(Share, "run_within", lost)
    assert await measurer.documents(1, paper(plain(1))) is None
    assert heard("documents") == 1
    assert measurer._quota.left(1) == 0  # noqa: SLF001


def test_a_count_ends_when_its_time_is_used():
    hard = body("".join(chr(0x13000 + n % 1000) for n in range(60_000)))
    done = count(Job(hard, "o200k_base", 0.0))
    assert done.tokens is None
    assert not done.error


def test_a_body_that_cannot_be_read_is_an_error():
    assert count(Job(b"[]", "o200k_base", 1.0)).error
    assert isinstance(count(Job(body("hi"), "o200k_base", 1.0)), Done)


async def test_a_count_in_vain_takes_one_request_of_the_rate_and_no_money():
    async def no_windows(_):
        return []

    admission = LocalAdmission(no_windows)
    rules = (ScopeRules("key:1", Limits(requests_per_minute=2, parallel_requests=1)),)
    for number in range(2):
        await charge(admission, f"r{number}", rules)
    await charge(admission, "r3", rules)  # beyond the limit it is no error either
    ask = AdmissionRequest("r4", rules, 0, 0)
    with pytest.raises(RateRefused) as refused:
        await admission.admit(ask)
    assert refused.value.rule == "requests"


async def test_many_at_once_have_the_tenants_time_together(measurer, heard, monkeypatch):
    """What is left is looked at when the turn has come, not when the call has."""
    granted = []

    async def slow(_share, _gives, _raw, cpu_s, arguments):
        granted.append((arguments[0], cpu_s))
        return Measured((), arguments[0])

    monkeypatch.setattr(Share, "_run", lambda share, gives, _work, *rest: slow(share, gives, *rest))
    found = await asyncio.gather(*[measurer.documents(1, b"{}") for _ in range(5)])
    assert found == [(), None, None, None, None]
    assert granted == [(QUOTA_S, QUOTA_S + GRACE_S)]
    assert heard("documents_quota") == 4


async def test_a_cancelled_caller_is_charged_for_the_started_measuring(measurer):
    long = asyncio.ensure_future(measurer.documents(1, paper(plain(2_000))))
    for _ in range(5):
        await asyncio.sleep(0)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    assert measurer._quota.left(1) == 0  # noqa: SLF001
