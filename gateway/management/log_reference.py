"""The table of log events in docs/log-events.md, written from the program's. Only a command and a test use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.observability.log_events.event import LogEvent
from gateway.observability.log_events.table import AREAS, FIELDS

BEGIN: Final = "<!-- events: written by manage.py log_reference --write -->"
END: Final = "<!-- end of the events -->"
_HEAD: Final = ("| Event | Level | Fields | Meaning | What to do |", "|---|---|---|---|---|")


def reference() -> str:
    """Return the tables as Markdown: a heading and a table for each area, then one of the fields."""
    lines = [line for title, events in AREAS.items() for line in _section(title, events)]
    fields = [_row(f"`{name}`", meaning) for name, meaning in FIELDS.items()]
    return "\n".join(
        [BEGIN, "", *lines, "### Fields", "", "| Field | Meaning |", "|---|---|", *fields, "", END]
    )


def rewritten(page: str) -> str:
    """Return a page with its tables replaced by the present ones."""
    before, _, rest = page.partition(BEGIN)
    return before + reference() + rest.partition(END)[2]


def _section(title: str, events: Iterable[LogEvent]) -> Iterator[str]:
    yield from [f"### {title}", "", *_HEAD]
    for event in events:
        fields = ", ".join(f"`{name}`" for name in event.fields)
        yield _row(f"`{event.name}`", event.level, fields, event.meaning, event.advice)
    yield ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
