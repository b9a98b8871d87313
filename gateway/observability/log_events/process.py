"""Log events of processes: workers, start and shutdown, periodic work, the machine."""

from __future__ import annotations

from typing import Final

from gateway.observability.log_events.event import LogEvent

_NOTHING: Final = "Nothing."
_REPORT: Final = "Report it with the traceback."
_AGAIN: Final = "See the traceback. It is tried again at its next turn."

WORKERS: Final = (
    LogEvent("worker.serving", "info", ("pid",), "A worker serves.", _NOTHING),
    LogEvent(
        "worker.ended",
        "error",
        ("pid", "code"),
        "A worker ended; another one is started.",
        "Read what it logged before. A negative code is a signal: -9 may be the kernel's, for lack of memory.",
    ),
    LogEvent(
        "worker.start.failed",
        "error",
        (),
        "A worker could not be started; it is tried again.",
        "Check the limits of processes and memory of the machine.",
    ),
    LogEvent(
        "worker.renewal.failed",
        "error",
        (),
        "Workers could not be replaced; the old ones continue.",
        "Check the limits of processes and memory of the machine, then ask for it again.",
    ),
    LogEvent(
        "worker.renewal.refused",
        "error",
        (),
        "Workers are not replaced, because the new configuration cannot be used; the old ones continue.",
        "Run `manage.py check`, correct the configuration, and ask for it again.",
    ),
    LogEvent(
        "worker.renewal.not_serving",
        "error",
        ("pid",),
        "A new worker did not serve in time, so no further worker is replaced.",
        "Read what it logged before, then ask for it again.",
    ),
    LogEvent(
        "worker.message.unreadable",
        "warning",
        ("sender", "error"),
        "A message between supervisor and worker could not be read.",
        "Nothing during an upgrade. Otherwise report it.",
    ),
    LogEvent(
        "worker.lost",
        "warning",
        ("workers",),
        "Workers ended, or sent nothing for too long; no other worker waits for them any more.",
        "Check the machines that they ran on.",
    ),
    LogEvent(
        "worker.row.not_deleted",
        "warning",
        ("worker",),
        "A worker that ends could not delete its row; the other workers do.",
        "Check the database.",
    ),
)

PROCESS: Final = (
    LogEvent("server.stopped", "info", (), "The process has closed everything and ends.", _NOTHING),
    LogEvent(
        "shutdown.part.left_behind",
        "error",
        ("part", "seconds"),
        "A part of the shutdown took longer than its time; the shutdown continues without it.",
        "Check the store that it needs. What was not shipped is recovered at the next start.",
    ),
    LogEvent(
        "shutdown.part.failed",
        "error",
        ("part",),
        "A part of the shutdown failed; the shutdown continues.",
        "See the traceback.",
    ),
    LogEvent(
        "event_loop.stalled",
        "warning",
        ("seconds", "stack"),
        "The event loop was blocked; no call of this process made progress meanwhile.",
        "Report it with the stack, unless the machine was too busy or suspended.",
    ),
    LogEvent(
        "open_files.limit.kept",
        "warning",
        ("limit", "error"),
        "The limit of open files could not be raised.",
        "Raise it where the gateway is started (`LimitNOFILE`, `ulimit -n`).",
    ),
    LogEvent("memory.pages.large", "info", ("mib",), "The heap is in large pages.", _NOTHING),
    LogEvent("memory.pages.small", "info", ("reason",), "The heap stays in small pages.", _NOTHING),
)

WORK: Final = (
    LogEvent("job.failed", "error", ("job",), "A periodic job failed.", _AGAIN),
    LogEvent(
        "job.file.unreadable",
        "warning",
        ("path", "error"),
        "The file with the times of the last jobs cannot be read; it is written again, and every job is due.",
        _NOTHING,
    ),
    LogEvent("periodic_work.failed", "error", ("work",), "A turn of a background task failed.", _AGAIN),
    LogEvent(
        "periodic_work.ended",
        "critical",
        ("work",),
        "A background task has ended and does not start again.",
        "Restart this process, and report it with the traceback.",
    ),
    LogEvent(
        "fallback.taken",
        "error",
        ("where", "error"),
        "The gateway used a plausible result where something failed.",
        "See [fallbacks](operations.md#fallbacks) for each place. The metric counts what is not logged.",
    ),
)
