"""Stopping `make test` ends everything that it started, also processes of its children."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import ROOT
from tests.support.waiting import wait_until

# Stands for a run of pytest: it starts a process, writes the ids of both, and waits.
RUN = """
import pathlib, subprocess, sys, os
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {child.pid}")
child.wait()
"""


def is_gone(pid):
    """Whether a process has ended, also where its exit status has not been read yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_make_test_leaves_no_process(tmp_path, how):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    files = [tmp_path / name for name in ("embedded", "production")]
    runs = [f"{sys.executable} {script} {file}" for file in files]
    command = [
        "make",
        "-o",
        "setup-dev",
        "test",
        f"EMBEDDED={runs[0]}",
        f"IN_PRODUCTION={runs[1]}",
        "WAITS=no/such",
    ]
    # A shell that was started without interrupts, in the background of a script, for one, cannot trap them.
    make = subprocess.Popen(
        ["env", "--default-signal=INT", *command], cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: all(len(file.read_text().split()) == 2 for file in files), despite=(OSError,))
        pids = [int(pid) for file in files for pid in file.read_text().split()]
        if how == signal.SIGINT:
            os.killpg(make.pid, how)  # as a terminal does
        else:
            make.send_signal(how)
        assert make.wait(60) != 0
        wait_until(lambda: all(map(is_gone, pids)))
    finally:
        make.kill()
        make.wait()
