"""Reads what Redis counts, in one step a tenant, to compare it with the ledger. Blocking; changes nothing."""

from __future__ import annotations

from collections import defaultdict
from types import TracebackType
from typing import Any, Self, assert_never, cast

import msgspec
from redis import Redis, RedisError

from budgets.admission.interface import WindowKey
from budgets.redis.client.scripts import PREFIX, read_scripts
from budgets.redis.commands import Command
from budgets.redis.replies import NeedsRecovery, Reply
from budgets.redis.rows import CallRow

TIMEOUT_S = 5.0
MOST_CALLS = 5000  # per tenant; reading so many blocks Redis for about 10 ms


class SnapshotUnavailable(Exception):
    """Redis did not answer, or answered with an error."""


class CountedWindow(msgspec.Struct, frozen=True, array_like=True):
    """`is_whole`: `spent_nanousd` is the ledger's total at `version`, without posts of later versions."""

    scope: str
    name: str
    start: float
    stop: float
    spent_nanousd: int
    version: int
    held_nanousd: int
    settled_nanousd: int
    is_whole: bool

    @property
    def key(self) -> WindowKey:
        schedule, timezone, _ = self.name.split("|")
        return WindowKey(self.scope, schedule, timezone, self.start)

    def counts(self, call: CountedCall) -> bool:
        return self.scope in call.scopes and self.start <= call.instant < self.stop


class CountedCall(msgspec.Struct, frozen=True):
    """`amount_nanousd` is its hold, or its cost once it is settled. Once `is_posted` it counts as 0."""

    request_id: str
    amount_nanousd: int
    instant: float
    is_settled: bool
    is_posted: bool
    scopes: tuple[str, ...]


class Snapshot(msgspec.Struct, frozen=True):
    """One tenant at one instant: known windows and calls. `unread`: the number of calls, if too many to read."""

    windows: tuple[CountedWindow, ...] = ()
    calls: tuple[CountedCall, ...] = ()
    unread: int = 0


class Counted(Reply, frozen=True, array_like=True, tag="counted"):
    """The detail: known windows, and calls by request id (budgets/redis/rows.py: CallRow)."""

    detail: tuple[tuple[CountedWindow, ...], list[tuple[str, list[Any]]]]


class TooManyCalls(Reply, frozen=True, array_like=True, tag="many"):
    counts: tuple[int]


SnapshotReply = Counted | TooManyCalls | NeedsRecovery
SNAPSHOT: Command[SnapshotReply] = Command(
    "snapshot", msgspec.msgpack.Decoder(SnapshotReply, strict=False).decode
)


class SnapshotReader:
    """A connection for reading. Entering it, and every read, raises SnapshotUnavailable."""

    def __init__(self, url: str, prefix: str = PREFIX) -> None:
        self._redis = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._prefix = prefix
        self._script = read_scripts()[SNAPSHOT.name].text

    def __enter__(self) -> Self:
        try:
            server: Any = self._redis.info("server")
        except RedisError as error:
            raise SnapshotUnavailable(str(error)) from None
        self._life = server["run_id"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redis.close()

    def tenants(self) -> dict[str, list[str]]:
        """Return the scopes that have windows, by tenant tag."""
        found: dict[str, list[str]] = defaultdict(list)
        pattern = f"{self._prefix}:{{*}}:money:*"
        try:
            cursor = -1
            while cursor:
                cursor, keys = cast(
                    "tuple[int, list[bytes]]", self._redis.scan(max(0, cursor), pattern, 1000)
                )
                for key in self._with_windows(keys):
                    tag, _, scope = key.decode().partition("{")[2].partition("}:money:")
                    if scope not in found[tag]:
                        found[tag].append(scope)
        except RedisError as error:
            raise SnapshotUnavailable(str(error)) from None
        return found

    def _with_windows(self, keys: list[bytes]) -> list[bytes]:
        """Return the keys that have more than the marker field."""
        with self._redis.pipeline(transaction=False) as asked:
            for key in keys:
                asked.hlen(key)
            return [key for key, fields in zip(keys, asked.execute(), strict=True) if fields > 1]

    def picture(self, tag: str, scopes: list[str]) -> Snapshot:
        """Return nothing of a tenant in recovery: its workers are still sending what they hold."""
        asked = msgspec.msgpack.encode([self._life, -1, -1, MOST_CALLS, scopes])
        try:
            packed: Any = self._redis.eval(self._script, 1, f"{self._prefix}:{{{tag}}}:meta", asked)
        except RedisError as error:
            raise SnapshotUnavailable(str(error)) from None
        match reply := SNAPSHOT.decode(packed):
            case Counted():
                windows, calls = reply.detail
                return Snapshot(windows, tuple(_call(name, row) for name, row in calls))
            case TooManyCalls():
                return Snapshot(unread=reply.counts[0])
            case NeedsRecovery():
                return Snapshot()
            case _:
                assert_never(reply)


def _call(request_id: str, row: list[Any]) -> CountedCall:
    call = CallRow.of_packed(row)
    scopes = tuple(scope for scope, _ in call.scopes)
    return CountedCall(
        request_id, call.amount_nanousd, call.granted_at, call.is_settled, call.is_posted, scopes
    )
