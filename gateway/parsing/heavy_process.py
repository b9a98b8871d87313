"""The process that reads large bodies: `python -m gateway.parsing.heavy_process`.

Frames on stdin and stdout, one job at a time. It has no database, no credentials and no sockets; of
keys only a tenant's salt, for a job that translates that tenant's request. A job that takes more CPU
than it was given ends the process, at any point; one that takes more memory gets an error reply.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final

import msgspec

from gateway.idempotency.fingerprint import fingerprint
from gateway.parsing.large_reading import find_body, parse_large
from providers.dialects import folded, large_requests
from providers.dialects.base import Shape
from providers.dialects.lenient import large_events
from providers.dialects.lenient.large_responses import parse_as_event, parse_response
from providers.json_scan.limits import Limits
from providers.processes.parent_death import die_with_parent
from providers.processes.work_process import ANSWER, QUESTION, Job, Reply, read
from providers.requests.documents import measured
from providers.tokens.prompt import count_prompt

MB: Final = 1024 * 1024
MOST_WORDS: Final = 200
_job = msgspec.msgpack.Decoder(Job)
_encode = msgspec.msgpack.encode
_NOTHING: Final = msgspec.Raw(_encode(None))


def _parse(raw: bytes, peek: str, limits: dict[str, Any]) -> Any:
    return parse_large(raw, peek, msgspec.convert(limits, Limits))


def _embedded(raw: bytes, limits: dict[str, Any]) -> Any:
    return find_body(raw, msgspec.convert(limits, Limits))


def _answer(raw: bytes, shape: dict[str, Any]) -> Any:
    return parse_response(raw, msgspec.convert(shape, Shape))


def _piece(raw: bytes, shape: dict[str, Any]) -> Any:
    return parse_as_event(raw, msgspec.convert(shape, Shape))


def _count(raw: bytes, model: str) -> int:
    return count_prompt(raw, model).tokens


def _fingerprint(raw: bytes, scope: str) -> str:
    return fingerprint(scope, raw)


WORK: Final[dict[str, Callable[..., Any]]] = {
    "understand": _parse,
    "embedded": _embedded,
    "count": _count,
    "fingerprint": _fingerprint,
    "answer": _answer,
    "event": large_events.parse_event,
    "fold": folded.fold_events,
    "piece": _piece,
    "documents": measured,
    "head": large_requests.read_head,
    "translated": large_requests.write_body,
}


def perform(job: Job, raw: bytes) -> Reply:
    """Run one job."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (job.memory, most))
    signal.setitimer(signal.ITIMER_PROF, job.cpu_s)  # its signal ends the process
    try:
        result = WORK[job.work](raw, *msgspec.msgpack.decode(job.arguments))
        return Reply(msgspec.Raw(_encode(result)))
    except MemoryError:
        return Reply(_NOTHING, exceeds_memory=True)
    except Exception as defect:  # noqa: BLE001 - a defect of ours: the parent reports it
        return Reply(_NOTHING, defect=f"{type(defect).__name__}: {defect}"[:MOST_WORDS])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Work until the parent is gone."""
    die_with_parent()
    with contextlib.suppress(EOFError):
        while True:
            words, size = QUESTION.unpack(read(incoming, QUESTION.size))
            job = _job.decode(read(incoming, words))
            frame = _encode(perform(job, read(incoming, size)))
            outgoing.write(ANSWER.pack(len(frame)) + frame)
            outgoing.flush()
            if size > MB:
                _trim_memory()


def _trim_memory() -> None:
    """Return free memory to the system; malloc_trim(3), where the C library has it."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
