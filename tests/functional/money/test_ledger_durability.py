"""Nothing is lost with a locked database, with a full disk, or when the server gets SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
from contextlib import closing

import pytest

from tests.support import sample
from tests.support.books.ledger import committed, whole_ledger
from tests.support.books.money import limit_status, samples, settled
from tests.support.books.why import stories_of
from tests.support.clients.raw_calls import RawAnswer, ask, question
from tests.support.servers.gateway import Gateway, merged
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

KEY = "sk-survivor.survivor-secret"
ROUNDS = 20
BALLAST = 64 * 1024


def config(upstream, **more):
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row(name, f"up-survive-{name}", upstream.base_url)
            for name in ("chat", "held", "full", "long")
        ],
        "bootstrap": {"tenants": [{"name": "survivor"}], "api_keys": [sample.key("survivor", KEY)]},
        **more,
    }


@pytest.mark.runs_once  # locks the file of SQLite
async def test_calls_are_served_while_another_process_locks_the_database(gateway_factory, upstream):
    gateway = gateway_factory(config(upstream), bare=True)
    await ask(gateway.url, KEY, question("chat"))  # the key is known now
    await settled(gateway)
    answers: list[RawAnswer] = []
    with closing(sqlite3.connect(gateway.data_dir / "gateway.sqlite3", isolation_level=None)) as locker:
        locker.execute("BEGIN EXCLUSIVE")
        for _ in range(ROUNDS):
            batch = [ask(gateway.url, KEY, question("chat", stream=n % 2 == 0)) for n in range(8)]
            answers += await asyncio.gather(*batch)
        assert (await samples(gateway))["gateway_journal_unshipped_records"] == len(answers)
        oldest = "gateway_journal_oldest_unshipped_seconds"
        first = (await samples(gateway))[oldest]
        await eventually(lambda: samples(gateway), lambda found: found[oldest] > first)
        locker.execute("ROLLBACK")
    assert all(answer.saw_the_end for answer in answers)
    ledger = [row["id"] for row in await whole_ledger(gateway)]
    assert len(ledger) == len(set(ledger)) == len(answers) + 1
    assert {answer.id for answer in answers} <= set(ledger)
    gateway.manage("reconcile")


@pytest.mark.runs_once  # locks the file of SQLite
async def test_a_journal_damaged_in_the_middle_costs_only_what_was_damaged(gateway_factory, upstream):
    gateway = gateway_factory(config(upstream), bare=True)
    await ask(gateway.url, KEY, question("chat"))
    await settled(gateway)
    with closing(sqlite3.connect(gateway.data_dir / "gateway.sqlite3", isolation_level=None)) as locker:
        locker.execute("BEGIN EXCLUSIVE")  # so that nothing leaves the journal
        answers = [await ask(gateway.url, KEY, question("chat")) for _ in range(20)]
        gateway.kill()
        locker.execute("ROLLBACK")
    damaged = damage(gateway.data_dir / "journal", answers[10].id)
    gateway.start()
    ledger = committed(gateway)
    assert {answer.id for answer in answers} - {row["id"] for row in ledger} <= {damaged}
    assert {row["status"] for row in ledger} <= {"ok", "incomplete"}
    assert (await ask(gateway.url, KEY, question("chat"))).status == 200
    assert list((gateway.data_dir / "journal").glob("*.corrupt"))
    assert any(".corrupt" in line for line in gateway.manage("reconcile"))


def damage(journal, call):
    """Flip a bit in the first record of a call; return its id."""
    [segment] = [path for path in journal.rglob("*") if path.is_file() and call.encode() in path.read_bytes()]
    data = bytearray(segment.read_bytes())
    data[data.index(call.encode()) + 40] ^= 1
    segment.write_bytes(data)
    return call


async def test_long_streams_end_with_a_shutdown_error_and_are_in_the_ledger(gateway_factory, upstream):
    """Those that flow and one that waits for its provider; shorter ones end well: test_shutdown.py."""
    gateway = gateway_factory(config(upstream, server={"graceful_shutdown_delay": "300ms"}), bare=True)
    upstream.script("up-survive-long", {"chunks": 2000, "pause": 0.02})
    upstream.script(
        "up-survive-held", {"hold_after": 2}
    )  # for ever: nothing but the end of the grace ends it
    models = ["long"] * 3 + ["held"]
    tasks = [asyncio.create_task(ask(gateway.url, KEY, question(name, stream=True))) for name in models]
    for seen in await upstream.wait("arrived", model="up-survive-long", count=3):
        await upstream.wait("chunk", call=seen["id"], count=5)
    await upstream.wait("chunk", model="up-survive-held", count=2)
    gateway.send(signal.SIGTERM)
    answers = await asyncio.gather(*tasks)
    assert await asyncio.to_thread(gateway.wait) == 0
    for answer in answers:
        assert answer.is_whole
        assert b'"server_shutdown"' in answer.body
        assert b"[DONE]" not in answer.body
    ledger = {row["id"]: row for row in committed(gateway)}
    assert set(ledger) == {answer.id for answer in answers}
    await upstream.wait("ended", model="up-survive-long", count=3)
    await upstream.wait("ended", model="up-survive-held")
    bills = upstream.bills()
    for call, row in ledger.items():
        assert (row["status"], row["error_code"]) == ("cancelled", "server_shutdown")
        assert row["cost_nanousd"] > 0
        produced = bills[call][0]["bill"]["completion_tokens"]
        assert produced - 3 <= row["output_tokens"] <= produced
    gateway.manage("reconcile")


@pytest.fixture
def small_disk(tmp_path):
    """Yield a data_dir on a disk of 160 MB in memory; CI may mount, as it is root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk):
    """Leave less than the journal's reserve; return the file to delete."""
    ballast = disk / "ballast"
    file = os.open(ballast, os.O_CREAT | os.O_WRONLY)
    try:
        while os.write(file, bytes(BALLAST)) == BALLAST:
            pass
    except OSError:
        pass
    finally:
        os.close(file)
    return ballast


async def readiness(gateway, wanted):
    """Wait until /readyz answers with this status; return what it says."""
    async with gateway.client() as client:
        answer = await eventually(lambda: client.get("/readyz"), lambda said: said.status_code == wanted)
    return answer.json()


async def test_a_full_disk_stops_new_calls_and_loses_none(small_disk, upstream):
    upstream.script("up-survive-full", {"chunks": 5, "hold_after": 2})
    alone = {
        "server": {"workers": 1}
    }  # /readyz speaks for the worker that answers, and the next call goes to it
    gateway = Gateway(merged(config(upstream), alone), small_disk / "data")
    with gateway:
        running = asyncio.create_task(ask(gateway.url, KEY, question("full", stream=True)))
        await upstream.wait("chunk", model="up-survive-full", count=2)
        ballast = await asyncio.to_thread(fill, small_disk)
        assert "the disk is full: calls cannot be recorded" in (await readiness(gateway, 503))["reasons"]
        before = len(upstream.seen(model="up-survive-chat"))
        refused = await ask(gateway.url, KEY, question("chat"))
        assert (refused.status, refused.error["code"]) == (503, "metering_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert len(upstream.seen(model="up-survive-chat")) == before

        upstream.release(model="up-survive-full")
        finished = await running
        assert finished.saw_the_end
        ballast.unlink()
        await readiness(gateway, 200)
        again = await ask(gateway.url, KEY, question("chat"))
        assert again.status == 200
        assert {row["id"] for row in await whole_ledger(gateway)} == {finished.id, again.id}
        assert (await limit_status(gateway, KEY))["held"] == 0
        [why] = await stories_of(gateway, [refused.id])
        assert "The journal could not be written" in why
        gateway.manage("reconcile")
