"""Signals of a supervisor: replaced workers may finish their calls, and live ones get a worker's end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from gateway.supervisor.supervisor import Supervisor
from tests.support.waiting import eventually

CHILD = """
import os, pathlib, signal, socket, sys
line = socket.socket(fileno=int(sys.argv[sys.argv.index("--line-fd") + 1]))
def note(what):
    with pathlib.Path(__file__).with_name("notes").open("a") as notes:
        notes.write(f"{os.getpid()} {what}\\\\n")
def told(number, _):
    note(signal.Signals(number).name)
    sys.exit(0)
for number in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, told)
line.sendall(b"r\\0\\0\\0\\0")
while head := line.recv(5):
    if head[:1] == b"d":
        note("death")
"""


@pytest.fixture
async def site(tmp_path):
    child = tmp_path / "child.py"
    child.write_text(CHILD.replace("\\\\n", "\\n"))
    notes = tmp_path / "notes"
    notes.touch()
    listener = socket.create_server(("127.0.0.1", 0))
    supervisor = Supervisor((sys.executable, str(child)), listener, 2, drain_s=0, prepare=("true",))
    others = set(children())  # servers that other tests share
    serving = asyncio.Event()
    running = asyncio.create_task(supervisor.run(serving.set))
    await asyncio.wait_for(serving.wait(), 60)
    yield notes, sorted(set(children()) - others)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(running, 60)


def children():
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


async def test_a_live_worker_is_notified_at_once_of_a_crashed_one(site):
    notes, (first, second) = site
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: f"{second} death" in notes.read_text())


async def test_a_replaced_worker_gets_another_signal_than_a_stopped_one(site):
    notes, (first, second) = site
    signal.raise_signal(signal.SIGHUP)
    await eventually(lambda: notes.read_text().count("SIGHUP") == 2)
    said = notes.read_text()
    assert f"{first} SIGHUP" in said
    assert f"{second} SIGHUP" in said
    assert "SIGTERM" not in said
