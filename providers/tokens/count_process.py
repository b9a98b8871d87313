"""The counting process: `python -m providers.tokens.count_process`. Frames on stdin and stdout, one count at a time.

It has no database, no keys and no sockets, and ends with its parent, whose end of stdin closes then.
"""

from __future__ import annotations

import struct
import sys
import time
from typing import BinaryIO, Final

import msgspec

from providers.processes.parent_death import die_with_parent
from providers.tokens.count import warm
from providers.tokens.exact_count import exact_prompt

LENGTH: Final = struct.Struct(">I")


class Job(msgspec.Struct, frozen=True, array_like=True):
    """A body to count, and the seconds of CPU that it may take."""

    raw: bytes
    encoding: str
    cpu_s: float


class Done(msgspec.Struct, frozen=True, array_like=True):
    """`tokens` None: the job's CPU was used up, or the body could not be read (`error`)."""

    tokens: int | None
    cpu_s: float
    error: str = ""


class _TooDear(Exception):
    """The CPU of the job is used up."""


def count(job: Job) -> Done:
    """Count, and return the CPU cost as well."""
    began = time.process_time()

    def tick() -> None:
        if time.process_time() - began > job.cpu_s:
            raise _TooDear

    tokens, error = None, ""
    try:
        tokens = exact_prompt(job.raw, job.encoding, tick).tokens
    except _TooDear:
        pass
    except (msgspec.DecodeError, RecursionError, ValueError, KeyError) as fault:
        error = f"{type(fault).__name__}: {fault}"[:200]
    return Done(tokens, time.process_time() - began, error)


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Count until the parent has ended."""
    jobs, encode = msgspec.msgpack.Decoder(Job), msgspec.msgpack.encode
    while len(head := incoming.read(LENGTH.size)) == LENGTH.size:
        frame = encode(count(jobs.decode(incoming.read(LENGTH.unpack(head)[0]))))
        outgoing.write(LENGTH.pack(len(frame)) + frame)
        outgoing.flush()


if __name__ == "__main__":
    die_with_parent()
    warm()
    serve(sys.stdin.buffer, sys.stdout.buffer)
