"""Folds repeated log records: while a store is away, or a client repeats a mistake, every request that meets it logs
it, each time with a page of traceback.

A failure of a store is one line with its reason, without a traceback, and one of a kind in ten seconds; the next one
has the number left out. A kind is an event, or the template of a library's message, with the type of its error. A
client's mistake has no traceback either. The traceback of a defect is written once in ten seconds, its line each time.
The counts are not folded: FALLBACKS and the metrics count each one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from cachetools import FIFOCache
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from typing_extensions import override

FOLD_S: Final = 10.0
MOST_KINDS: Final = 1000
LONGEST_REASON: Final = 300
_OF_STORES: Final = (OperationalError, InterfaceError, ConnectionError, TimeoutError)
_OF_CLIENTS: Final = (PermissionDenied, SuspiciousOperation)
_CHATTY: Final = ("psycopg.pool", "django.security")  # loggers that repeat records without an exception

Kind = tuple[object, ...]


class LogFolding(logging.Filter):
    """A filter of the only handler. It sets `failure` (the error in one line) and `folded` (how many records of this
    kind were left out) on records, and takes tracebacks off them: no other handler reads them afterwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._lock = clock, threading.Lock()
        # By kind: when it was last written, how many were left out since.
        self._last: FIFOCache[Kind, list[float]] = FIFOCache(MOST_KINDS)

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is None:
            return not record.name.startswith(_CHATTY) or self._is_due(record, "")
        if isinstance(error, _OF_CLIENTS):
            _add_reason(record, error)
            return not isinstance(error, SuspiciousOperation) or self._is_due(record, type(error))
        if _is_of_a_store(error):
            _add_reason(record, error)
            return self._is_due(record, type(error))
        if not self._take(("traceback", type(error), _place_of(error)))[0]:
            _add_reason(record, error)
        return True

    def _is_due(self, record: logging.LogRecord, what: object) -> bool:
        """Return whether a record of this kind is due; a due record gets the number of those left out."""
        is_due, folded = self._take((record.name, record.levelno, str(record.msg), what))
        if folded:
            record.folded = folded
        return is_due

    def _take(self, kind: Kind) -> tuple[bool, int]:
        now = self._clock()
        with self._lock:
            seen = self._last.get(kind)
            if seen is not None and now - seen[0] < FOLD_S:
                seen[1] += 1
                return False, 0
            self._last[kind] = [now, 0]
            return True, int(seen[1]) if seen is not None else 0


def _is_of_a_store(error: BaseException) -> bool:
    """Return whether a store is the cause: by the error, or by its causes. redis is not imported for it."""
    seen: BaseException | None = error
    for _ in range(8):  # a chain of causes, which may be circular
        if seen is None:
            return False
        if isinstance(seen, _OF_STORES) or type(seen).__module__.startswith("redis."):
            return True
        seen = seen.__cause__
    return False


def _place_of(error: BaseException) -> tuple[str, int]:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else ("", 0)


def _add_reason(record: logging.LogRecord, error: BaseException) -> None:
    """Replace the traceback with the error's own message."""
    words = " ".join(str(error).split())[:LONGEST_REASON]
    record.failure = f"{type(error).__name__}: {words}"
    record.exc_info, record.exc_text = None, None
