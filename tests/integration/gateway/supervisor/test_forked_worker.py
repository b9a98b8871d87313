"""Workers that are forks share the imports of their supervisor, and nothing that each must own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.supervisor.forked_worker import ForkedProcess, fork_workers
from gateway.supervisor.supervisor_client import SupervisorClient
from tests.support.sources import ROOT

SUPERVISOR = """
import os, pathlib, signal, socket
from gateway.supervisor.forked_worker import fork_workers
from gateway.http.request_id import mint
from gateway.supervisor.supervisor_client import SupervisorClient

found = fork_workers([socket.create_server(("127.0.0.1", 0)) for _ in range(3)])
if isinstance(found, SupervisorClient):
    line = found._end
    line.setblocking(True)
    sockets = sum(file.is_socket() for file in pathlib.Path("/proc/self/fd").iterdir())
    os.write(1, f"{mint()[14:]} {os.getpgid(0) == os.getpid()} {os.read(0, 1)!r} {sockets}\\n".encode())
    line.sendall(b"r")
    assert line.recv(1) == b"", "the supervisor did not die"
    os.write(1, b"orphaned\\n")
else:
    for fork in found:
        fork.line.setblocking(True)
        assert fork.line.recv(1) == b"r"
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_each_fork_has_its_own_ids_group_and_stdin_and_notices_the_end_of_its_supervisor():
    done = subprocess.run(
        [sys.executable, "-c", SUPERVISOR],
        cwd=ROOT,
        input="typed",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    lines = done.stdout.splitlines()  # complete: the pipe ends when the last worker has ended
    assert lines.count("orphaned") == 3
    born = [line.split() for line in lines if line != "orphaned"]
    assert len({random for random, *_ in born}) == 3
    assert [others for _, *others in born] == 3 * [
        ["True", "b''", "2"]
    ]  # a listener and a line, and no other worker's


HANGING = """
import asyncio, os, signal, socket, sys, time
from functools import partial
from gateway.supervisor.forked_worker import fork_workers
from gateway.supervisor.shutdown import end_within
from gateway.supervisor.supervisor_client import SupervisorClient

async def hang(link):
    os.dup2(os.open(f"{sys.argv[1]}/{os.getpid()}", os.O_CREAT | os.O_WRONLY), 2)  # or both would write at once
    await link.open(on_orphaned=lambda: None, on_orphaned_in_thread=partial(end_within, 0.05))
    link.report_ready()
    await asyncio.sleep(0)
    os.write(1, b"hangs\\n")
    time.sleep(1000)

found = fork_workers([socket.create_server(("127.0.0.1", 0)) for _ in range(2)])
if isinstance(found, SupervisorClient):
    asyncio.run(hang(found))
else:
    for fork in found:
        fork.line.setblocking(True)
        assert fork.line.recv(1) == b"r"
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_with_a_blocked_loop_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # the pipe ends when the last worker has ended
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "hangs\n" * 2)
    said = [file.read_text() for file in tmp_path.iterdir()]
    assert len(said) == 2
    for one in said:
        assert one.startswith("Timeout (")
        assert "in hang" in one


def test_inherited_descriptors_are_not_passed_to_helpers():
    ours, theirs = socket.socketpair()
    with ours, socket.create_server(("127.0.0.1", 0)) as listener:
        fds = (os.dup(listener.fileno()), theirs.detach())
        for fd in fds:
            os.set_inheritable(fd, True)  # as they are when a supervisor has passed them on
        link = SupervisorClient.inherited(*fds)
        assert [os.get_inheritable(fd) for fd in fds] == [False, False]
        link.listener.close()
        link._end.close()  # noqa: SLF001 - the line, which was never opened


def test_a_process_that_runs_threads_is_not_forked():
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="busy")
    thread.start()
    try:
        with socket.socket() as listener, pytest.raises(RuntimeError, match="busy"):
            fork_workers([listener])
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize(
    ("how", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -15 $$", -15)]
)
async def test_the_end_of_a_fork_is_reported_with_its_exit_code(how, code):
    process = ForkedProcess(shell(how))
    assert await process.wait() == code
    assert process.returncode == code
    process.send_signal(signal.SIGKILL)  # another process may have its number now


async def test_a_signal_reaches_a_fork_that_runs():
    process = ForkedProcess(shell("kill -STOP $$"))
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL


def shell(command: str) -> int:
    return os.posix_spawn("/bin/sh", ["sh", "-c", command], {})
