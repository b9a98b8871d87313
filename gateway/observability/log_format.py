"""Logging of everything that is not a /v1 access line: one JSON object per line on stderr, or text for people.

A record of the product is an event of gateway/observability/log_events with fields; that of a library is a sentence.
Text that looks like a key is masked; that is the last line of defense, not the first.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
from typing_extensions import override

from gateway.observability.log_fields import clean, event_of, fields_of, sentence_of, word
from gateway.observability.log_folding import LogFolding
from providers.errors.redaction import redact

LONGEST = 256  # of client-supplied text, a path for example
_OF_REQUESTS = ("django.", "uvicorn.", "channels", "daphne")  # loggers of libraries that quote requests


def cut(text: str) -> str:
    """Return the start of client-supplied text: a log line must not be as long as a request."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def cut_arguments(record: logging.LogRecord) -> bool:
    """Cut what libraries quote of requests. A filter that lets every record pass."""
    if record.name.startswith(_OF_REQUESTS) and isinstance(record.args, tuple):
        record.args = tuple(cut(each) if isinstance(each, str) else each for each in record.args)
    return True


def without_blame(record: logging.LogRecord) -> bool:
    """Keep the traceback only for our defects: Django logs one for each page it refuses. Lets every record pass."""
    status = getattr(record, "status_code", 500)
    if record.name.startswith("django.") and isinstance(status, int) and status < 500:  # noqa: PLR2004 - the server's
        record.exc_info = record.exc_text = None
    return True


class JsonFormatter(logging.Formatter):
    """Writes the fixed members, then the fields of the event. Records of libraries have the event `log`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        event = event_of(record)
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "event": "log" if event is None else event.name,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(sentence_of(record)) if event is None else event.meaning,
        }
        if event is not None:
            line |= fields_of(record, event)
        if record.exc_info:
            line["traceback"] = clean(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()


class TextFormatter(logging.Formatter):
    """Writes `event key=value | meaning`; a stack stands below its line, as a traceback does."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        event = event_of(record)
        if event is None:
            record.message = sentence_of(record)
            return super().formatMessage(record)
        fields = fields_of(record, event)
        stack = fields.pop("stack", "")
        words = (f"{name}={word(value)}" for name, value in fields.items() if value not in (None, "", []))
        record.message = f"{' '.join((event.name, *words))} | {event.meaning}"
        line = super().formatMessage(record)
        return f"{line}\n{stack}" if stack else line

    @override
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure(log_format: str, level: str = "info") -> None:
    """Send all logging to stderr in this format. Called once, by the process's entry point."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    handler.addFilter(cut_arguments)
    handler.addFilter(without_blame)
    handler.addFilter(LogFolding())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for quiet in ("httpx", "httpcore", "django.request", "uvicorn.error", "asyncio"):
        logging.getLogger(quiet).setLevel(max(logging.WARNING, root.level))
