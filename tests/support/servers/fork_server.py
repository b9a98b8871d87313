"""Starts Python processes by a fork of one that has imported the gateway's libraries: half of a start is that import.

A process of its own, started by tests/support/servers/forked.py, which asks it over a socket. What is forked is a
child like any other: its own files, environment, directory and arguments, and it runs the script from its first
line. The settings are read by the child, because each one has its own (tests/support/servers/loaded_apps.py).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import resource
import runpy
import socket
import sys
import threading
import time
from typing import Any, NoReturn

from metering import failpoints
from providers.tokens import count
from tests.support.servers import loaded_apps

LONGEST_REQUEST = 256 * 1024


def serve(control: socket.socket) -> list[str] | None:
    """Answer until the tests end: None then; in each child, the arguments of what it is to run."""
    while True:
        message, files, _, _ = socket.recv_fds(control, LONGEST_REQUEST, 3)
        if not message:
            return None
        request = json.loads(message)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            control.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            control.close()
            _become(request, files)
            return list(request["arguments"])
        for file in files:
            os.close(file)
        control.send(json.dumps(pid).encode())


def _become(request: dict[str, Any], files: list[int]) -> None:
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    importlib.reload(failpoints)  # the one module that reads the environment as it is imported
    time.tzset()
    if request["files"] is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, request["files"])


def run(arguments: list[str]) -> None:
    """Run the program that they name."""
    if arguments[0] == "-m":
        sys.argv[1:] = arguments[2:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    sys.argv[:] = arguments
    sys.path[0] = os.path.dirname(arguments[0])  # noqa: PTH120 - as the interpreter sets it
    runpy.run_path(arguments[0], run_name="__main__")


def end(code: int) -> NoReturn:
    """End as the interpreter does, but for taking all modules down one by one, which is a third of a start."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing ends its forks
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    loaded_apps.load()
    count.warm()  # the vocabulary was half of what a start still took
    gc.collect()
    gc.freeze()  # so that no child touches, and thereby copies, what all of them share
    arguments = serve(control)
    if arguments is None:
        return
    try:
        run(arguments)
    except SystemExit as asked:
        if isinstance(asked.code, str):
            raise
        end(asked.code or 0)
    end(0)


if __name__ == "__main__":
    main()
