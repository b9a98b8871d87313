"""A server in its own process, with all that it writes to standard error. Every wait is bounded."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

from tests.support.servers.forked import ForkedProcess, can_fork
from tests.support.sources import ROOT

START_S = 60.0
STOP_S = 30.0
T = TypeVar("T")


class Lines:
    """The lines of a pipe, read by a thread as they come."""

    def __init__(self, pipe: IO[str]) -> None:
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def all(self) -> list[str]:
        with self._changed:
            return list(self._lines)

    def first(self, find: Callable[[str], T | None], seconds: float) -> T:
        """Return what `find` returns for the first line that it accepts; AssertionError with all lines if none."""
        deadline, place = time.monotonic() + seconds, 0
        with self._changed:
            while True:
                for line in self._lines[place:]:
                    found = find(line)
                    if found is not None:
                        return found
                place = len(self._lines)
                if self._ended or not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(
                        "the awaited line did not come; there was:\n" + "\n".join(self._lines)
                    )

    def close(self) -> None:
        """Raises AssertionError where a child still runs that has the pipe: closing it would wait for that child."""
        self._thread.join(STOP_S)
        assert not self._thread.is_alive(), "another process still has the pipe of a process that has ended"
        self._pipe.close()

    def _read(self) -> None:
        for line in self._pipe:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class ServerProcess:
    """Start, stop, kill. Its standard input stays open, so that a child notices the end of the tests."""

    def __init__(
        self, *arguments: str, env: Mapping[str, str], cwd: Path = ROOT, files: tuple[int, int] | None = None
    ) -> None:
        """`files` are the soft and the hard limit of its open files."""
        self._process = start(arguments, env, cwd, files)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdout = Lines(self._process.stdout)
        self.stderr = Lines(self._process.stderr)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def _children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def end(self, number: signal.Signals | None, seconds: float = STOP_S) -> int:
        """Send a signal if there is one, and return the exit code; kills what does not end in time."""
        if number is not None and self.is_running:
            doomed = self._children() if number is signal.SIGKILL else []
            self.send(number)
            for pid in doomed:  # a power cut spares no worker
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGABRT)  # it says where it stands (PYTHONFAULTHANDLER)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            self._process.kill()
            self._process.wait(STOP_S)
            raise AssertionError("did not end in time; it said:\n" + "\n".join(self.stderr.all())) from None
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self.stdout.close()
            self.stderr.close()


def start(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path, files: tuple[int, int] | None = None
) -> subprocess.Popen[str] | ForkedProcess:
    """Start Python with these arguments: by a fork where that is the same, else as a new interpreter."""
    if can_fork(arguments, env):
        return ForkedProcess(arguments, env, cwd, files)
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,  # not the repository for a gateway: a .env there is not the test's
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if files is not None:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, files)  # before it has imported anything
    return process


def clean_environment(**extra: str) -> dict[str, str]:
    """Return this environment without what would configure a gateway or a client.

    No process in it needs the public authorities: reading them takes a tenth of a start.
    """
    secret = ("ROUTER_", "OPENAI_", "ANTHROPIC_", "DJANGO_", "GATEWAY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(secret)}
    own = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", "SSL_CERT_FILE": os.devnull}
    return {**kept, **own, **extra}
