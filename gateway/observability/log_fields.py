"""The fields of a log record, safe for a line of JSON or text: bounded, redacted, and of JSON's types."""

from __future__ import annotations

import logging
from typing import Any, Final

from gateway.observability.log_events.event import LogEvent
from gateway.observability.log_events.table import EVENTS
from providers.errors.redaction import redact

LONGEST_FIELD: Final = 4_000  # characters: a stack, or the beginning of a provider's message
MOST_ITEMS: Final = 50  # of a list
FOLDING: Final = ("failure", "folded")  # fields of any event, set by gateway/observability/log_folding.py
_LARGEST: Final = 2**63 - 1  # of an integer that any reader of JSON takes


def event_of(record: logging.LogRecord) -> LogEvent | None:
    """Return the event of a record; None for a record of a library."""
    return EVENTS.get(record.msg) if isinstance(record.msg, str) else None


def fields_of(record: logging.LogRecord, event: LogEvent) -> dict[str, Any]:
    """Return the fields of an event by name, in the order of its table, then those of folding."""
    given = vars(record)
    return {name: safe(given[name]) for name in (*event.fields, *FOLDING) if name in given}


def sentence_of(record: logging.LogRecord) -> str:
    """Return the message of a library's record, with its failure and the number of those like it."""
    text, given = record.getMessage(), vars(record)
    if "failure" in given:
        text = f"{text}: {given['failure']}"
    return f"{text} (and {given['folded']} more like it)" if "folded" in given else text


def safe(value: Any) -> Any:
    """Return a value of JSON's types: texts redacted and cut, of a list at most 50 items, as texts."""
    match value:
        case None | bool() | float():
            return value
        case int() if abs(value) <= _LARGEST:
            return value
        case list() | tuple():
            found = [_text(item) for item in value[:MOST_ITEMS]]
            return found if len(value) <= MOST_ITEMS else [*found, "…"]
        case _:
            return _text(value)


def clean(text: str) -> str:
    """Return a text that JSON can hold, without text that looks like a key."""
    return redact(text.encode("utf-8", "replace").decode())


def word(value: Any) -> str:
    """Return a value that cannot start a line or a field of text: many values come from clients and providers."""
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return '"' + text.replace('"', "'") + '"' if " " in text or '"' in text else text


def _text(value: Any) -> str:
    text = clean(str(value))
    return text if len(text) <= LONGEST_FIELD else f"{text[:LONGEST_FIELD]}…"
