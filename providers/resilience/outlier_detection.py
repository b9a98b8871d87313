"""Finds a deployment that is far worse than its peers in a tier, although its breaker stays closed. Pure.

Runs once a second, not at each call. Each deployment is compared with the others without itself: an outlier among
few would hide in its own average (Envoy's outlier detection compares with all and needs five hosts for it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median, pstdev

import msgspec

SAMPLES = 20  # calls in the last ten seconds that each compared deployment needs
SIGMAS = 1.9
GAP = 0.2  # excess of the failure share over the peers' that ejects
LUCK = 4.0  # standard errors that chance may explain
SLOW_SAMPLES = 50
SLOWER = 3.0  # times the peers' p95...
SLOWER_BY_S = 1.0  # ...and slower by at least this


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The latest calls of one deployment. `latencies`: seconds to the first content."""

    id: int
    calls: int = 0
    failures: int = 0
    latencies: Sequence[float] = ()


def worst(records: Sequence[Record]) -> tuple[int, str] | None:
    """Return the deployment to eject and why, or None if all perform about equally well."""
    return _failing(records) or _slow(records)


def _failing(records: Sequence[Record]) -> tuple[int, str] | None:
    able = [record for record in records if record.calls >= SAMPLES]
    found: list[tuple[float, Record, float]] = []
    for record in able:
        peers = [other for other in able if other is not record]
        if not peers:
            return None
        rates = [peer.failures / peer.calls for peer in peers]
        mean = fmean(rates)
        excess = record.failures / record.calls - mean
        if excess >= max(GAP, SIGMAS * pstdev(rates), LUCK * _error(record, peers)):
            found.append((excess, record, mean))
    if not found:
        return None
    _, record, mean = max(found, key=lambda each: each[0])
    return record.id, f"{record.failures / record.calls:.0%} of its calls fail, {mean:.0%} of its peers'"


def _error(record: Record, peers: Sequence[Record]) -> float:
    """Return the standard error of the difference of two shares, assuming that both are equal."""
    others = sum(peer.calls for peer in peers)
    share = (record.failures + sum(peer.failures for peer in peers)) / (record.calls + others)
    return math.sqrt(share * (1.0 - share) * (1.0 / record.calls + 1.0 / others))


def _slow(records: Sequence[Record]) -> tuple[int, str] | None:
    waits = {r.id: _p95(r.latencies) for r in records if len(r.latencies) >= SLOW_SAMPLES}
    found: list[tuple[float, int, float]] = []
    for each, wait in waits.items():
        peers = [other for other_id, other in waits.items() if other_id != each]
        usual = median(peers) if peers else math.inf
        if wait >= SLOWER * usual and wait - usual >= SLOWER_BY_S:
            found.append((wait, each, usual))
    if not found:
        return None
    wait, each, usual = max(found)
    return each, f"its answers begin after {wait:.1f} s (p95), its peers' after {usual:.1f} s"


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[math.ceil(len(seconds) * 0.95) - 1]
