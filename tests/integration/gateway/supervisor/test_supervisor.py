"""A slot for a worker is never lost: not by a failed start, not by a message, not in a renewal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from gateway.supervisor import supervisor, worker
from gateway.supervisor.supervisor import Supervisor
from tests.support.waiting import eventually

CHILD = """
import os, pathlib, signal, socket, sys, time
line = socket.socket(fileno=int(sys.argv[sys.argv.index("--line-fd") + 1]))
if not pathlib.Path(__file__).with_name("hang").exists():
    line.sendall(b"m\\0\\0\\0\\2\\xc1\\xc1" + b"r\\0\\0\\0\\0")
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "leaky" in sys.argv and os.fork() == 0:  # a helper that has got the line, too
    while not pathlib.Path(__file__).with_name("released").exists():
        time.sleep(0.05)
    os._exit(0)
while line.recv(4096):  # it may get a message that another worker ended
    pass
"""


class Site:
    """A supervisor of two workers that write unreadable messages, and then that they serve."""

    def __init__(self, directory: Path, log: pytest.LogCaptureFixture, *kind: str) -> None:
        self.python, self.hang, self._log = directory / "python", directory / "hang", log
        self.install()
        child = directory / "child.py"
        child.write_text(CHILD)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.command = (str(self.python), str(child), *kind)
        self.supervisor = Supervisor(self.command, self.listener, 2, drain_s=0, prepare=("true",))

    def install(self) -> None:
        self.python.symlink_to(sys.executable)

    def said(self, event: str) -> list[logging.LogRecord]:
        records = [record for when in ("setup", "call") for record in self._log.get_records(when)]
        return [record for record in records if record.msg == event]

    @property
    def serving(self) -> list[int]:
        """The process ids of all that served, in order."""
        return [vars(record)["pid"] for record in self.said("worker.serving")]


@pytest.fixture
async def site(request, tmp_path, caplog):
    caplog.set_level(logging.INFO, "gateway")
    site = Site(tmp_path, caplog, *getattr(request, "param", ()))
    running = asyncio.create_task(site.supervisor.run(lambda: None))
    await eventually(lambda: len(site.serving) == 2)
    yield site
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(running, 30)


async def test_a_worker_that_cannot_be_started_is_tried_again(site):
    site.python.unlink()
    for pid in site.serving:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: len(site.said("worker.start.failed")) >= 3)
    site.install()
    await eventually(lambda: len(site.serving) == 4)


async def test_a_worker_that_said_what_cannot_be_read_is_replaced(site):
    os.kill(site.serving[0], signal.SIGKILL)
    await eventually(lambda: len(site.serving) == 3)
    assert site.said("worker.message.unreadable")


async def test_renewal_by_a_worker_that_does_not_start_is_given_up(site, monkeypatch):
    monkeypatch.setattr(supervisor, "OPEN_S", 0.1)
    site.hang.touch()
    signal.raise_signal(signal.SIGHUP)
    await eventually(lambda: site.said("worker.renewal.not_serving"))
    site.hang.unlink()
    os.kill(site.serving[0], signal.SIGKILL)
    await eventually(lambda: len(site.serving) == 3)


@pytest.mark.parametrize("site", [["leaky"]], indirect=True)
async def test_a_crashed_worker_is_replaced_although_its_helper_holds_the_pipe(site, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "FLUSH_S", 0.05)
    os.kill(site.serving[0], signal.SIGKILL)
    await eventually(lambda: len(site.serving) == 3)
    (tmp_path / "released").touch()


async def test_workers_that_ignore_a_signal_are_killed(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "gateway")
    for name in ("EXIT_S", "KILL_S"):
        monkeypatch.setattr(supervisor, name, 0.05)
    site = Site(tmp_path, caplog, "deaf")
    running = asyncio.create_task(site.supervisor.run(lambda: None))
    await eventually(lambda: len(site.serving) == 2)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(running, 30)
    for pid in site.serving:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_process_that_prepares_a_renewal_ends_with_the_supervisor(tmp_path, caplog):
    site = Site(tmp_path, caplog)
    caplog.set_level(logging.INFO, "gateway")
    preparing = tmp_path / "preparing"
    hang = f"echo $$ > {preparing}.new; mv {preparing}.new {preparing}; exec sleep 60"
    site.supervisor = Supervisor(site.command, site.listener, 1, drain_s=0, prepare=("sh", "-c", hang))
    running = asyncio.create_task(site.supervisor.run(lambda: None))
    await eventually(lambda: len(site.serving) == 1)
    signal.raise_signal(signal.SIGHUP)
    await eventually(preparing.exists)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.wait_for(running, 30)
    await eventually(lambda: not Path(f"/proc/{preparing.read_text().strip()}").exists())
