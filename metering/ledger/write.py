"""The ledger's SQL: inserts calls and adds to window totals, in one transaction. 20 to 35 us a row.

A row is inserted once, however often it is sent; only inserted rows add to the windows. One dialect of
SQL for SQLite and PostgreSQL; on SQLite `atomic` begins IMMEDIATE (gateway/settings.py): no lock is upgraded.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from django.conf import settings
from django.db import connections, transaction
from msgspec.structs import replace

from budgets.admission.interface import WindowKey, WindowTotal
from gateway.values.advisory_locks import WINDOWS
from gateway.values.money import LARGEST_NANOUSD
from metering import failpoints
from metering.decision import arm_in
from metering.journal.reader import Call
from metering.ledger.bulk_insert import insert_rows
from metering.ledger.changed_hours import mark_changed_hours
from metering.ledger.rolling_days import add_changed_returns
from metering.window_amount import NOTHING, Amount
from providers.usage import ImageCount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

NUL = "\\u0000"  # in JSON
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_json = msgspec.json.Encoder(decimal_format="string").encode


class Written(NamedTuple):
    """What a batch changed: the totals of every window it touched, and how many of its rows were new."""

    posts: list[WindowTotal]
    inserted: int


class Window(NamedTuple):
    """A row of the table of windows."""

    id: int
    scope: str
    schedule: str
    timezone: str
    start: datetime
    end: datetime
    spent_nanousd: int
    unsettled_nanousd: int
    version: int

    def post(self, added: Amount = NOTHING, *, is_all: bool = False) -> WindowTotal:
        """Return its total with this amount added; `is_all`: the batch has no call that was added before."""
        key = WindowKey(self.scope, self.schedule, self.timezone, self.start.timestamp())
        own = added.counted if is_all else None
        total, unsettled = self.spent_nanousd + added.counted, self.unsettled_nanousd + added.unsettled
        return WindowTotal(key, total, self.version + bool(added.counted), own, unsettled)


def write(calls: Sequence[Call], using: str = "default") -> Written:
    """Insert the calls and add their cost to their windows. All or nothing."""
    connection = connections[using]
    instant = _stored_text if connection.vendor == "sqlite" else moment
    keep_words = not settings.GATEWAY.retention.zero_retention
    rows = [_row(call, instant, keep_words=keep_words) for call in calls]
    failpoints.reach("before_insert")
    with transaction.atomic(using=using):
        lock_windows(connection, exclusive=False)
        new = insert_rows(connection, rows)
        mark_changed_hours(connection, [call.open.started_at for call in calls if call.open.id in new])
        posts = _add_up(connection, calls, new)
        first = min([call.open.started_at for call in calls if call.open.id in new], default=math.inf)
        posts = add_changed_returns(connection, posts, first)
        failpoints.reach("before_commit")
    failpoints.reach("after_commit")
    return Written(posts, len(new))


def moment(instant: float) -> datetime:
    """Return the microsecond of an instant, rounded down, never up: it decides the window."""
    return _EPOCH + timedelta(microseconds=int(instant * 1_000_000))


def lock_windows(connection: BaseDatabaseWrapper, *, exclusive: bool) -> None:
    """Prevent a window from being created, with the sum of the ledger, while a batch is half written.

    PostgreSQL would run both at once: the sum would miss the batch, the batch the window.
    """
    if connection.vendor == "postgresql":
        name = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {name}(%s)", [WINDOWS])


def select_windows(
    connection: BaseDatabaseWrapper, condition: str, parameters: Sequence[Any]
) -> list[Window]:
    """Return the windows that match a condition, locked for an update where the database locks by row."""
    lock = " FOR UPDATE" if connection.features.has_select_for_update and connection.in_atomic_block else ""
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT id, scope, schedule, timezone, start, "end", '  # noqa: S608 - values are parameters
            "spent_nanousd, unsettled_nanousd, version "
            f"FROM budgets_spendwindow WHERE {condition} ORDER BY id{lock}",
            parameters,
        )
        return [_window(row) for row in cursor.fetchall()]


def _window(row: Sequence[Any]) -> Window:
    window = Window(*row)
    return window._replace(start=_aware(window.start), end=_aware(window.end))


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _add_up(connection: BaseDatabaseWrapper, calls: Sequence[Call], new: set[str]) -> list[WindowTotal]:
    """Add the cost of the new calls to every window of their tenant and key; return all windows in reach."""
    spent: dict[str, list[tuple[float, Amount]]] = defaultdict(list)
    for call in {call.open.id: call for call in calls}.values():
        entry = (call.open.started_at, _counted(call) if call.open.id in new else NOTHING)
        spent[f"tenant:{call.open.tenant_id}"].append(entry)
        spent[f"key:{call.open.key_id}"].append(entry)
    instants = [call.open.started_at for call in calls]
    if not instants:
        return []
    adapt = connection.ops.adapt_datetimefield_value
    windows = select_windows(
        connection,
        f'scope IN ({", ".join(["%s"] * len(spent))}) AND start <= %s AND "end" > %s',
        [*spent, adapt(moment(max(instants))), adapt(moment(min(instants)))],
    )
    added = [_sum(spent[window.scope], window) for window in windows]
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE budgets_spendwindow SET spent_nanousd = spent_nanousd + %s, "
            "unsettled_nanousd = unsettled_nanousd + %s, version = version + 1 WHERE id = %s",
            [(*amount, window.id) for window, amount in zip(windows, added, strict=True) if amount.counted],
        )
    is_all = all(call.open.id in new for call in calls)
    return [window.post(amount, is_all=is_all) for window, amount in zip(windows, added, strict=True)]


def _sum(entries: Sequence[tuple[float, Amount]], window: Window) -> Amount:
    """Sum the entries of a window. Borders are whole seconds, so an instant and its microsecond are on one side."""
    start, end = window.start.timestamp(), window.end.timestamp()
    inside = [amount for at, amount in entries if start <= at < end]
    return Amount(sum([each.counted for each in inside]), sum([each.unsettled for each in inside]))


def billed(call: Call) -> int:
    return min(call.close.cost_nanousd, LARGEST_NANOUSD)


def unsettled(call: Call) -> int:
    return min(call.close.unsettled_nanousd, LARGEST_NANOUSD - billed(call))


def _counted(call: Call) -> Amount:
    beyond = unsettled(call)
    return Amount(billed(call) + beyond, beyond)


def _stored_text(instant: float) -> str:
    """Format an instant as Django stores it in SQLite."""
    seconds, micros = divmod(int(instant * 1_000_000), 1_000_000)
    return f"{_second(seconds)}.{micros:06d}" if micros else _second(seconds)


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")


def _row(call: Call, instant: Callable[[float], Any], *, keep_words: bool = True) -> tuple[Any, ...]:
    """Return the values of COLUMNS; external texts are cut to the length of their column, or left out."""
    opened, closed = call
    usage = closed.usage
    return (
        opened.id,
        instant(opened.started_at),
        instant(closed.finished_at),
        opened.tenant_id,
        _text(opened.tenant, 200),
        opened.key_id,
        _text(opened.key_prefix, 32),
        _text(opened.endpoint, 64),
        _text(opened.model, 200),
        _text(closed.provider, 32),
        _text(closed.deployment, 200),
        _text(closed.upstream_model, 300),
        closed.status,
        closed.http_status,
        _text(closed.error_code, 64),
        opened.stream,
        closed.attempts,
        usage.total_input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens + usage.cache_write_1h_tokens,
        usage.total_output_tokens,
        usage.reasoning_tokens,
        usage.image_count,
        usage.audio_ms / 1000,
        usage.characters,
        usage.estimated,
        billed(call),
        unsettled(call),
        closed.price_id,
        closed.latency_ms,
        closed.ttft_ms,
        closed.overhead_ms,
        _text(opened.trace_id, 64),
        _text(opened.idempotency_key, 255) if keep_words else "",
        _text(opened.client_request_id, 255) if keep_words else "",
        _text(arm_in(closed.decision), 200),
        _document(usage),
        _document(closed.receipt),
        _document(closed.decision),
    )


def bare(call: Call) -> Call:
    """Return a call with its money, names and numbers, without the texts and documents that came with them."""
    usage = call.close.usage
    images = (ImageCount(usage.image_count),) if usage.images else ()
    usage = replace(usage, images=images, tool_calls=(), service_tier="", place="")
    return Call(
        replace(call.open, trace_id="", idempotency_key="", client_request_id=""),
        replace(call.close, usage=usage, receipt=[], decision=[]),
    )


def _text(value: str, length: int) -> str:
    """Fit a text: PostgreSQL accepts no longer one, no NUL, and no half surrogate pair."""
    return value[:length] if value.isascii() and "\x00" not in value else _clean(value)[:length]


def _document(value: Any) -> str:
    """Return JSON without NUL, which PostgreSQL refuses; a backslash and `u0000` written as text is not a NUL."""
    try:
        text = _json(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair, if the call came through no journal
        text = NUL
    return _json(_cleaned(msgspec.to_builtins(value))).decode() if NUL in text else text


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return _clean(value)
        case list() | tuple():
            return [_cleaned(each) for each in value]
        case dict():
            return {_cleaned(name): _cleaned(each) for name, each in value.items()}
    return value
