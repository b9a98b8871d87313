"""The parent's end of a process that runs one job at a time: sends the job and its bytes, receives a short reply.

Blocking, so it is used in a thread: pipes release the interpreter's lock. The process has no keys, no database and
no sockets; it ends with its parent, whose end of stdin closes then.
"""

from __future__ import annotations

import contextlib
import fcntl
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec

ROOT: Final = Path(__file__).parents[2]
QUESTION: Final = struct.Struct(">IQ")  # the sizes of the job and of its input
ANSWER: Final = struct.Struct(">I")
_PIPE: Final = 1024 * 1024  # bytes of the pipe's buffer: what Linux allows every user
START_S: Final = 30.0
STUCK_FACTOR: Final = 10  # times the CPU limit, after which the process or the machine is stuck
_STOP_S: Final = 5.0


class Job(msgspec.Struct, frozen=True, array_like=True):
    """A job, and the seconds of CPU and bytes of memory that it may take."""

    work: str
    arguments: msgspec.Raw  # MessagePack
    cpu_s: float
    memory: int


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """`exceeds_memory`: it would have exceeded its memory. `defect` is a bug of the gateway."""

    result: msgspec.Raw
    exceeds_memory: bool = False
    defect: str = ""


class WorkFailed(Exception):
    """A job was not done."""


class WorkerLost(WorkFailed):
    """The process ended before it had replied."""


class WorkTooExpensive(WorkFailed):
    """The job used up its CPU or memory."""


_reply = msgspec.msgpack.Decoder(Reply)


class WorkProcess:
    """One process, `python -m module`."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={},
            start_new_session=True,  # a key press in the terminal is for the server
        )
        self._in, self._out = cast("BinaryIO", self._process.stdin), cast("BinaryIO", self._process.stdout)
        with contextlib.suppress(OSError):  # the user's quota of pipes is used up: only slower
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, _PIPE)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def run(self, job: Job, raw: bytes) -> bytes:
        """Return the result as MessagePack. Raises WorkTooExpensive, WorkerLost."""
        words = msgspec.msgpack.encode(job)
        watchdog = threading.Timer(START_S + STUCK_FACTOR * job.cpu_s, self.kill)
        watchdog.start()
        try:
            self._in.write(QUESTION.pack(len(words), len(raw)) + words)
            self._in.write(raw)
            self._in.flush()
            reply = _reply.decode(read(self._out, ANSWER.unpack(read(self._out, ANSWER.size))[0]))
        except (OSError, EOFError) as fault:
            self.kill()
            if self._process.wait(_STOP_S) == -signal.SIGPROF:
                raise WorkTooExpensive from None
            raise WorkerLost(f"exit code {self._process.returncode}") from fault
        finally:
            watchdog.cancel()
        if reply.exceeds_memory:
            raise WorkTooExpensive
        if reply.defect:
            raise WorkerLost(reply.defect)
        return bytes(reply.result)

    def kill(self) -> None:
        """Kill it; a caller that waits for its reply gets WorkerLost."""
        self._process.kill()

    def close(self) -> None:
        """Kill it, and wait until it has ended."""
        self.kill()
        self._process.wait(_STOP_S)
        with contextlib.suppress(OSError):  # data that was still to be written
            self._in.close()
        self._out.close()


def read(pipe: BinaryIO, size: int) -> bytes:
    """Return so many bytes. Raises EOFError if there are fewer."""
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
