"""A gateway's process without the half second of imports: asked of the fork server (fork_server.py)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.support.sources import JOURNAL, MANAGE, ROOT

STOP_S = 30.0
LONGEST_ENVIRONMENT = 64 * 1024
_OF_THE_INTERPRETER = ("PYTHON", "LD_")  # read before any code runs: only a new interpreter obeys them


class ForkServer:
    """One for this process, started when it is first needed; it ends when this process does."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.servers.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env=base_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._control = ours
        self._turn = threading.Lock()

    def ask(self, request: Mapping[str, Any], files: Sequence[int] = ()) -> Any:
        with self._turn:
            socket.send_fds(self._control, [json.dumps(request).encode()], files)
            answer = self._control.recv(4096)
        assert answer, "the fork server has ended"
        return json.loads(answer)

    def close(self) -> None:
        self._control.close()
        self._process.wait(STOP_S)


@cache
def fork_server() -> ForkServer:
    return ForkServer()


def close() -> None:
    """End the fork server, if one was needed."""
    if fork_server.cache_info().currsize:
        fork_server().close()
        fork_server.cache_clear()


class ForkedProcess:
    """Like subprocess.Popen, as far as tests/support/servers/processes.py uses it; pipes are text."""

    def __init__(
        self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, files: tuple[int, int] | None
    ) -> None:
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        theirs = (theirs_in, theirs_out, theirs_err)
        request = {"arguments": list(arguments), "env": dict(env), "cwd": str(cwd), "files": files}
        try:
            self.pid: int = fork_server().ask(request, theirs)
        finally:
            for file in theirs:
                os.close(file)
        self.returncode: int | None = None
        self._fd = os.pidfd_open(self.pid)
        self._reaping = threading.Lock()
        self.stdin: IO[str] = os.fdopen(ours_in, "w")
        self.stdout: IO[str] = os.fdopen(ours_out)
        self.stderr: IO[str] = os.fdopen(ours_err)

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, negative for a signal. Raises subprocess.TimeoutExpired."""
        if self.returncode is None and not select.select([self._fd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        with self._reaping:
            if self.returncode is None:
                self.returncode = int(fork_server().ask({"reap": self.pid}))
                os.close(self._fd)
            return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def base_environment() -> dict[str, str]:
    return os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


def can_fork(arguments: Sequence[str], env: Mapping[str, str]) -> bool:
    """Say whether a fork does the same as a new interpreter: it runs a program of ours, and its environment has no
    options of the interpreter.
    """
    mine = base_environment()
    names = {name for name in (*env, *mine) if name.startswith(_OF_THE_INTERPRETER)}
    is_short = sum(len(name) + len(value) for name, value in env.items()) < LONGEST_ENVIRONMENT
    is_ours = arguments[0] == MANAGE or tuple(arguments[:2]) == JOURNAL
    return is_ours and is_short and all(env.get(name) == mine.get(name) for name in names)
