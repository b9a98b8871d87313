"""Compares the counts of Redis with the ledger. Blocking; reads only, and takes Redis some milliseconds a tenant.

The ledger is read between two snapshots of Redis: what it has then, Redis may have in its totals or count as calls,
but not less. Mismatches that last only a moment, while a batch is posted, are checked again after two seconds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from budgets.redis.scope_request import batches
from budgets.redis.snapshot import CountedWindow, Snapshot, SnapshotReader
from gateway.values.money import usd
from metering.ledger.spend_windows import read_windows
from metering.ledger.write import moment
from metering.models import UsageEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from budgets.admission.interface import WindowKey, WindowTotal

AGAIN_S = 2.0
_CHUNK = 500


class Mismatch(msgspec.Struct, frozen=True):
    """`what` stays the same for as long as the fault does; `sentence` may have other amounts at each check."""

    what: str
    sentence: str


class SharedCounts(msgspec.Struct, frozen=True):
    """`ended`: calls that Redis counts beside the ledger. `unread`: calls of tenants with too many to check."""

    tenants: int
    running: int
    held_nanousd: int
    ended: int
    unread: int
    faults: tuple[Mismatch, ...]


class LedgerView(msgspec.Struct, frozen=True):
    """What the ledger has of a snapshot: the windows' totals, and which of the calls."""

    totals: dict[WindowKey, WindowTotal]
    calls: frozenset[str]

    def spent(self, window: CountedWindow) -> int:
        post = self.totals.get(window.key)
        return post.spent_nanousd if post is not None else 0

    def version(self, window: CountedWindow) -> int:
        post = self.totals.get(window.key)
        return post.version if post is not None else 0


def shared_counts(url: str) -> SharedCounts:
    """Return what Redis counts, and which of it is wrong. Raises budgets.redis.snapshot.SnapshotUnavailable."""
    with SnapshotReader(url) as reader:
        first = _compare(reader)
        if not first.faults:
            return first
        time.sleep(AGAIN_S)  # noqa: TID251 - in a command, never where calls are served
        second, known = _compare(reader), {fault.what for fault in first.faults}
        return msgspec.structs.replace(second, faults=tuple(f for f in second.faults if f.what in known))


def _compare(reader: SnapshotReader) -> SharedCounts:
    running = held = ended = unread = 0
    faults: list[Mismatch] = []
    tenants = reader.tenants()
    for tag, scopes in tenants.items():
        before = reader.picture(tag, scopes)
        ledger = _ledger_of(before)
        after = reader.picture(tag, scopes)
        holding = [call for call in after.calls if not call.is_settled]
        running, ended = running + len(holding), ended + len(after.calls) - len(holding)
        held += sum(call.amount_nanousd for call in holding)
        unread += after.unread
        faults += [*_ahead(before, ledger), *_wrong_sums(after), *_wrong_totals(after, ledger)]
        faults += _counted_twice(after, ledger)
    return SharedCounts(len(tenants), running, held, ended, unread, tuple(faults))


def _ledger_of(picture: Snapshot) -> LedgerView:
    totals: dict[WindowKey, WindowTotal] = {}
    for windows in batches(picture.windows, _CHUNK):
        totals |= read_windows([window.key for window in windows])
    found: set[str] = set()
    for some in batches([call.request_id for call in picture.calls], _CHUNK):
        found.update(UsageEvent.objects.filter(id__in=some).values_list("id", flat=True))
    return LedgerView(totals, frozenset(found))


def _ahead(before: Snapshot, ledger: LedgerView) -> Iterator[Mismatch]:
    """Redis gets a batch after it is in the ledger."""
    for window in before.windows:
        if window.version > ledger.version(window):
            what = f"{_name(window)}: Redis knows of more batches than the ledger has"
            yield Mismatch(what, f"{what}: {window.version}, not {ledger.version(window)}")


def _wrong_sums(picture: Snapshot) -> Iterator[Mismatch]:
    """A window's held and settled amounts are the sums of its calls."""
    for window in picture.windows:
        calls = [call for call in picture.calls if window.counts(call) and not call.is_posted]
        held = sum(call.amount_nanousd for call in calls if not call.is_settled)
        owed = sum(call.amount_nanousd for call in calls if call.is_settled)
        for name, counted, true in (
            ("held", window.held_nanousd, held),
            ("ended", window.settled_nanousd, owed),
        ):
            if counted != true:
                what = f"{_name(window)}: {name} in Redis"
                yield Mismatch(
                    what, f"{what} {usd(counted)} USD, but its calls there come to {usd(true)} USD"
                )


def _wrong_totals(after: Snapshot, ledger: LedgerView) -> Iterator[Mismatch]:
    """The ledger's amount is in the total, or still counted as calls; equal versions mean equal amounts."""
    for window in after.windows:
        spent = ledger.spent(window)
        counted = window.spent_nanousd + window.settled_nanousd + window.held_nanousd
        if counted < spent:
            what = f"{_name(window)}: counted in Redis"
            yield Mismatch(what, f"{what} {usd(counted)} USD in all, but the ledger has {usd(spent)} USD")
        elif window.is_whole and window.version == ledger.version(window) and window.spent_nanousd != spent:
            what = f"{_name(window)}: spent in Redis"
            yield Mismatch(
                what, f"{what} {usd(window.spent_nanousd)} USD, but the ledger has {usd(spent)} USD"
            )


def _counted_twice(after: Snapshot, ledger: LedgerView) -> Iterator[Mismatch]:
    """A call leaves Redis' counts in the same step that adds its batch to the totals."""
    posted = [
        window for window in after.windows if window.is_whole and window.version >= ledger.version(window)
    ]
    for call in after.calls:
        is_in_totals = any(window.counts(call) for window in posted)
        if call.request_id in ledger.calls and is_in_totals and not call.is_posted and call.amount_nanousd:
            what = f"call {call.request_id}"
            yield Mismatch(what, f"{what} is in the ledger, and Redis counts it beside the ledger too")


def _name(window: CountedWindow) -> str:
    return f"{window.scope} {window.key.schedule} from {moment(window.start):%Y-%m-%d}"
