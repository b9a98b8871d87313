"""One kind of log record: its identifier, its level, its fields, what it means and what to do."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["info", "warning", "error", "critical"]


class LogEvent(msgspec.Struct, frozen=True):
    """`name` is the message of the log call, `fields` the keys of its `extra`. Sentences for people."""

    name: str
    level: Level
    fields: tuple[str, ...]
    meaning: str
    advice: str
