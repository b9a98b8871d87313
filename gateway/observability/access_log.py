"""One JSON line per /v1 request on stderr, written by a thread in batches: the event loop only appends to a list.

Bounded: when the reader of stderr stalls, lines beyond 20,000 are dropped and counted in
`gateway_access_log_dropped_total`. Never a prompt, never a key.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from gateway.observability.log_fields import word
from providers.errors.redaction import redact

logger = logging.getLogger(__name__)

CAPACITY = 20_000
BATCH = 500
FLUSH_S = 0.2
_OF_CLIENTS = ("path", "model", "client_request_id")  # where a client may put a key by mistake


class AccessLog:
    """`put` from any thread; `close` writes the rest. `dropped` gets the number of lost lines, from any thread."""

    def __init__(self, dropped: Callable[[int], object], fd: int = 2, *, as_json: bool = True) -> None:
        self._dropped, self._fd, self._as_json = dropped, fd, as_json
        self._lines: deque[dict[str, Any]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def put(self, line: dict[str, Any]) -> None:
        if len(self._lines) >= CAPACITY:
            self._dropped(1)
            return
        self._lines.append(line)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        while self._lines:
            batch = [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]
            data = b"".join(map(self._bytes_of, batch))
            try:
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError:  # stderr has no reader, or not now: requests go on
                self._dropped(data.count(b"\n"))
                return

    def _bytes_of(self, line: dict[str, Any]) -> bytes:
        """Return the line; empty if it cannot be encoded, so that a defect costs one line and not the log."""
        try:
            return self._format(line)
        except Exception:  # a defect costs one line, not the log
            self._dropped(1)
            logger.exception("access_log.line.lost")
            return b""

    def _format(self, line: dict[str, Any]) -> bytes:
        for name in _OF_CLIENTS:
            written = line.get(name, "")
            if "sk-" in written or "%" in written:
                line[name] = redact(written)
        at = datetime.fromtimestamp(line.pop("at"), UTC).isoformat(timespec="milliseconds")
        if self._as_json:
            return orjson.dumps({"at": at, "event": "request", **line}) + b"\n"
        words = " ".join(f"{key}={word(value)}" for key, value in line.items() if value not in ("", None, []))
        return f"{at} {words}\n".encode()
