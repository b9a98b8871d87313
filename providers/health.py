"""What this process has learned of each deployment: breaker, calls in flight, time to first content.

In memory, per process, by the deployment's row id. Cost: about 2 us a call.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from providers.breaker import Breaker, Phase, Policy
from providers.bulkhead import Bulkhead, Bulkheads
from providers.cap_words import CapWords
from providers.entry import Entry, Seen, address_of, seen_of
from providers.failures import Unavailable, UpstreamFailed
from providers.hint import Hint
from providers.outliers import worst
from providers.retry_budget import RetryBudget
from providers.target import Target

logger = logging.getLogger("gateway.health")

SERVER_ERROR = 500
TELL_S = 1.0  # a cool-down that grows by less is not told to others again


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Who hears of what: a deployment's new value (Breaker.value), a retry or a call that was refused, and what other
    processes should know.
    """

    changed: Callable[[Target, float], None] = lambda _target, _value: None
    overflowed: Callable[[str], None] = lambda _provider: None
    full: Callable[[], None] = lambda: None
    learned: Callable[[Hint], None] = lambda _hint: None


class Turn:
    """One attempt at one deployment: exactly one verdict, and exactly one end of being in flight."""

    __slots__ = ("_bulkhead", "_entry", "_health", "_is_in_flight", "began", "is_probe")

    def __init__(
        self,
        health: Health,
        entry: Entry,
        bulkhead: Bulkhead,
        began: float,
        is_probe: bool,  # noqa: FBT001 - one fact
    ) -> None:
        self._health, self._entry, self._bulkhead = health, entry, bulkhead
        self.began, self.is_probe = began, is_probe
        self._is_in_flight = True
        entry.in_flight += 1
        bulkhead.in_flight += 1

    def answered(self) -> None:
        """The deployment showed content."""
        entry, now = self._entry, self._health.clock()
        breaker = entry.breaker
        entry.measure(now, now - self.began)
        self._health.budget(entry.target.provider).earn()
        before, was_hinted = breaker.phase, breaker.is_hinted
        breaker.succeeded(now, self.began, is_probe=self.is_probe)
        self.is_probe = False
        if breaker.phase is not before and breaker.phase is Phase.CLOSED and not was_hinted:
            self._health.watch.learned(Hint(entry.target.id, "closed"))
        self._health.tell(entry, now)

    def failed(self, failure: UpstreamFailed) -> None:
        """Judge a failure: some open the breaker, a 429 cools it, a client's own error says nothing."""
        self._health.judge(self._entry, self, failure)
        self.is_probe = False

    def let_go(self) -> None:
        """Nothing was learned: the client left, or its own deadline passed."""
        self._entry.breaker.let_go(is_probe=self.is_probe)
        self.is_probe = False
        self.end()

    def end(self) -> None:
        """The call is no longer in flight. May be called more than once."""
        if self._is_in_flight:
            self._is_in_flight = False
            self._entry.in_flight -= 1
            self._bulkhead.in_flight -= 1


class Health:
    """Every deployment that was called."""

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        bulkheads: Bulkheads | None = None,
        watch: Watch | None = None,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.policy, self.clock, self.dice = policy or Policy(), clock, dice
        self.watch = watch or Watch()
        self._bulkheads = bulkheads or Bulkheads()
        self._entries: dict[int, Entry] = {}
        self._budgets: dict[str, RetryBudget] = {}
        self._targets: dict[int, Target] = {}
        self._tiers: Sequence[Sequence[int]] = ()
        self.cap_words = CapWords()

    def get(self, target_id: int) -> Entry | None:
        """What is known of a deployment; None: nothing yet, so nothing bad."""
        return self._entries.get(target_id)

    def budget(self, provider: str) -> RetryBudget:
        budget = self._budgets.get(provider)
        if budget is None:
            budget = self._budgets[provider] = RetryBudget()
        return budget

    def start(self, target: Target) -> Turn | None:
        """Begin an attempt; None: this deployment may not be called now."""
        entry = self._entries.get(target.id)
        if entry is None:
            entry = self._entry(target)
        now = self.clock()
        bulkhead = self._bulkheads.of(target)
        if bulkhead.in_flight >= bulkhead.limit:
            return None
        if not entry.breaker.is_calm and entry.is_crowded(now, bulkhead.limit):
            return None
        is_probe = entry.breaker.begin(now)
        if is_probe is None:
            return None
        if is_probe:
            self.tell(entry, now)
        return Turn(self, entry, bulkhead, now, is_probe)

    def is_full(self, target_id: int) -> bool:
        """Whether as many calls are in flight there as may be."""
        bulkhead = self._bulkheads.get(target_id)
        if bulkhead is None:
            return False
        if bulkhead.in_flight >= bulkhead.limit:
            return True
        entry = self._entries.get(target_id)
        if entry is None or entry.breaker.is_calm:
            return False
        return entry.is_crowded(self.clock(), bulkhead.limit)

    def judge(self, entry: Entry, turn: Turn, failure: UpstreamFailed) -> None:
        """Move the breaker by what went wrong."""
        breaker, now = entry.breaker, self.clock()
        before = breaker.phase
        if failure.code == "upstream_auth_failed":
            breaker.let_go(is_probe=turn.is_probe)
            if breaker.phase is not Phase.OPEN:
                logger.error(
                    "provider %s refused the credential of deployment %s (%s): it is not used for a while",
                    entry.target.provider,
                    entry.target.name,
                    failure.reason,
                )
            breaker.trip(now, failure.code)
        elif failure.code == "upstream_refused" or (failure.status or SERVER_ERROR) < SERVER_ERROR:
            breaker.let_go(is_probe=turn.is_probe)
            if failure.code == "upstream_rate_limited":
                breaker.cool(now, failure.retry_after_s)
        else:
            breaker.failed(now, turn.began, failure.reason[:200], is_probe=turn.is_probe)
            if failure.retry_after_s:
                breaker.cool(now, failure.retry_after_s)
        self._teach(entry, before, now)
        self.tell(entry, now)

    def hear(self, hint: Hint) -> None:
        """Take what another process has seen as a hint."""
        target = self._targets.get(hint.deployment)
        if target is None:
            return
        entry, now = self._entries.get(target.id) or self._entry(target), self.clock()
        if hint.what == "open":
            entry.breaker.hear_open(now, hint.seconds, f"{hint.reason} (seen by another process)")
        elif hint.what == "cool":
            entry.breaker.hear_cool(now, hint.seconds)
            entry.told_cool_until = entry.breaker.cool_until
        else:
            entry.breaker.hear_closed(now)
        self.tell(entry, now)

    def refresh(self) -> None:
        """Tell how those do that come back, also where no call comes to show it."""
        now = self.clock()
        for entry in self._entries.values():
            if not entry.breaker.is_calm:
                self.tell(entry, now)

    def weigh(self) -> None:
        """Leave alone who does far worse than its peers: one at a time, and never more than half of a tier."""
        now = self.clock()
        for tier in self._tiers:
            known = {each: entry for each in tier if (entry := self._entries.get(each)) is not None}
            serving = {each: entry for each, entry in known.items() if entry.breaker.phase is Phase.CLOSED}
            if len(known) - len(serving) + 1 > len(tier) // 2:
                continue
            found = worst([entry.record(now) for entry in serving.values()])
            if found is not None:
                entry = serving[found[0]]
                entry.forget_latencies()
                entry.breaker.trip(now, found[1])
                self.tell(entry, now)

    def tell(self, entry: Entry, now: float) -> None:
        """Pass on a changed value."""
        value = 1.0 if entry.breaker.is_calm else entry.breaker.value(now)
        if value != entry.value:
            entry.value = value
            if value == 0.0:
                logger.warning(
                    "deployment %s is not used for %.1f s: %s",
                    entry.target.name,
                    entry.breaker.retry_at(now) - now,
                    entry.breaker.reason,
                )
            self.watch.changed(entry.target, value)

    def least_bad(self, targets: Iterable[Target]) -> list[Target]:
        """Return those that their providers allow to be called, the most promising first: all of them are resting."""
        now = self.clock()
        known = [(self._entries.get(target.id), target) for target in targets]
        open_ones = [(e, target) for e, target in known if e is None or not e.breaker.cools(now)]
        return [
            target
            for _, target in sorted(
                open_ones,
                key=lambda pair: (
                    (pair[0].breaker.openings, pair[0].breaker.open_until) if pair[0] else (0, 0.0)
                ),
            )
        ]

    def unavailable(self, targets: Sequence[Target]) -> Unavailable:
        """Say that none of these can be called, and when the first may be."""
        if any(self.is_full(target.id) for target in targets):
            self.watch.full()
            return Unavailable(1.0 + 2.0 * self.dice(), is_limited=False, reason="every deployment is full")
        now = self.clock()
        breakers = [
            entry.breaker for target in targets if (entry := self._entries.get(target.id)) is not None
        ]
        wait = min((breaker.retry_at(now) - now for breaker in breakers), default=1.0)
        is_limited = bool(breakers) and all(
            breaker.cools(now) and not breaker.is_ejected(now) for breaker in breakers
        )
        return Unavailable(max(wait, 1.0), is_limited=is_limited)

    def renew(self, targets: Iterable[Target], tiers: Sequence[Sequence[int]] = ()) -> None:
        """After the catalog changed: forget deployments that are gone, and the sins of those that were changed.

        `tiers` are those that stand in for each other, by id.
        """
        self._targets, self._tiers = {target.id: target for target in targets}, tiers
        self._bulkheads.renew(self._targets.values())
        for target_id, entry in list(self._entries.items()):
            target = self._targets.get(target_id)
            if target is None:
                del self._entries[target_id]
            else:
                if not entry.breaker.is_calm and address_of(target) != address_of(entry.target):
                    entry.breaker = Breaker(self.policy, self.dice)
                entry.target = target

    def seen(self) -> list[Seen]:
        """Return every deployment that was called, as it is now."""
        now = self.clock()
        return [seen_of(entry, now) for entry in self._entries.values()]

    def _entry(self, target: Target) -> Entry:
        entry = self._entries[target.id] = Entry(target, Breaker(self.policy, self.dice))
        return entry

    def _teach(self, entry: Entry, before: Phase, now: float) -> None:
        """Tell other processes what this one has just learned the hard way."""
        breaker, each = entry.breaker, entry.target.id
        if breaker.phase is Phase.OPEN and before is not Phase.OPEN:
            self.watch.learned(Hint(each, "open", breaker.open_until - now, breaker.reason))
        if breaker.cool_until > max(now, entry.told_cool_until + TELL_S):
            entry.told_cool_until = breaker.cool_until
            self.watch.learned(Hint(each, "cool", breaker.cool_until - now))
