"""The rows of a run, as a table for people and as JSON for comparing. Pure but for `save`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tests.bench.machine import Machine
from tests.bench.slow_streams import SlowResult

if TYPE_CHECKING:
    from pathlib import Path


class Row(msgspec.Struct, frozen=True):
    """One window. `per_core` is answers per CPU second of the service; `added` is over direct, same run."""

    service: str
    workload: str
    clients: int
    answers: int
    per_second: float
    per_core: float | None
    busy: float | None
    p50_ms: float | None
    p99_ms: float | None
    added_p50_ms: float | None
    added_p99_ms: float | None
    memory_before_mib: float | None
    memory_after_mib: float | None
    errors: dict[str, int]


class SlowRow(msgspec.Struct, frozen=True):
    service: str
    result: SlowResult


class Ledger(msgspec.Struct, frozen=True):
    """Does the gateway's own ledger hold exactly the calls that were sent through it? `cut` of them may be missing."""

    sent: int
    recorded: int | None
    cut: int = 0

    @property
    def is_right(self) -> bool:
        return self.recorded is not None and self.sent <= self.recorded <= self.sent + self.cut


class Report(msgspec.Struct):
    machine: Machine
    seconds: float
    rows: list[Row]
    slow: list[SlowRow]
    ledger: Ledger | None = None
    notes: list[str] = []


_HEAD = (
    "service",
    "workload",
    "clients",
    "req/s",
    "req/s per core",
    "busy",
    "p50 ms",
    "p99 ms",
    "+p50",
    "+p99",
    "RSS MiB",
    "errors",
)
_SLOW_HEAD = (
    "service",
    "streams",
    "wall s",
    "ideal s",
    "TTFB p50",
    "p99 ms",
    "delay p50",
    "p99 ms",
    "CPU us/event",
    "RSS MiB",
    "errors",
)


def table(report: Report) -> str:
    """Return everything a person needs to see, as Markdown."""
    parts = [_markdown(_HEAD, [_cells(row) for row in report.rows])] if report.rows else []
    if report.slow:
        parts.append(_markdown(_SLOW_HEAD, [_slow_cells(row) for row in report.slow]))
    if report.ledger:
        recorded = (
            "export_usage failed, nothing" if report.ledger.recorded is None else report.ledger.recorded
        )
        cut = f" and {report.ledger.cut} left midway" if report.ledger.cut else ""
        parts.append(f"ledger: {report.ledger.sent} calls sent{cut}, {recorded} recorded")
    return "\n\n".join([*parts, *report.notes])


def _cells(row: Row) -> list[str]:
    return [
        row.service,
        row.workload,
        str(row.clients),
        f"{row.per_second:,.0f}",
        _number(row.per_core, ",.0f"),
        _number(row.busy, ".0%"),
        _number(row.p50_ms, ".2f"),
        _number(row.p99_ms, ".2f"),
        _number(row.added_p50_ms, ".2f"),
        _number(row.added_p99_ms, ".2f"),
        f"{_number(row.memory_before_mib, '.0f')} > {_number(row.memory_after_mib, '.0f')}",
        str(sum(row.errors.values())),
    ]


def _slow_cells(row: SlowRow) -> list[str]:
    result = row.result
    events = max(1, result.streams * 50)
    return [
        row.service,
        str(result.streams),
        f"{result.wall_s:.2f}",
        f"{result.ideal_s:.2f}",
        _number(result.ttfb_p50_ms, ".1f"),
        _number(result.ttfb_p99_ms, ".1f"),
        _number(result.delay_p50_ms, ".1f"),
        _number(result.delay_p99_ms, ".1f"),
        f"{result.cpu_s / events * 1e6:.0f}",
        f"{result.memory_before_mib:.0f} > {result.memory_peak_mib:.0f}",
        str(sum(result.errors.values())),
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _markdown(head: tuple[str, ...], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in [list(head), *rows]) for column in range(len(head))]

    def line(cells: list[str] | tuple[str, ...]) -> str:
        aligned = [
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(aligned) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def save(report: Report, folder: Path) -> Path:
    """Write the report as JSON under its UTC time."""
    folder.mkdir(exist_ok=True)
    path = folder / (report.machine.at.replace(":", "").replace("+0000", "Z") + ".json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    return path
