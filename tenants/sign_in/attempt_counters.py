"""Counts attempts against limits, before they are made: in this process, or in Redis for all processes.

All limits are checked first, then all counted, in one step: of concurrent attempts no more than the limit pass.
A refusal changes nothing. Values in Redis are only ever read as integers; others are dropped.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

CAPACITY = 20_000  # names counted in one process
PREFIX = "gateway:{attempts}:"  # one slot of a Redis Cluster

# KEYS: the names; ARGV: for each its window in ms and its limit. Returns the ms until a retry, 0: counted.
# A value that is no integer, was written by another program, or would never expire is dropped.
TAKE = """
local counts, wait = {}, 0
for i, name in ipairs(KEYS) do
  local value = redis.pcall('GET', name)
  local count = type(value) == 'string' and string.match(value, '^%d+$') and tonumber(value)
  local left = redis.call('PTTL', name)
  if value and (not count or left < 0 or left > tonumber(ARGV[2 * i - 1])) then
    redis.call('DEL', name)
    count = nil
  end
  counts[i] = count or 0
  if counts[i] >= tonumber(ARGV[2 * i]) then wait = math.max(wait, left, 1) end
end
if wait > 0 then return wait end
for i, name in ipairs(KEYS) do
  if counts[i] == 0 then redis.call('SET', name, 1, 'PX', ARGV[2 * i - 1]) else redis.call('INCR', name) end
end
return 0
"""
GIVE_BACK = """
for _, name in ipairs(KEYS) do
  local value = redis.pcall('GET', name)
  if type(value) == 'string' and string.match(value, '^[1-9]%d*$') then redis.call('DECR', name) end
end
"""


class Limit(NamedTuple):
    """`most` attempts under `name` in a window, which begins with the first of them. 0 s: the counters' usual one."""

    name: str
    most: int
    window_s: float = 0


class LocalCounters:
    """In this process. Bounded: when full, the half that is furthest from any limit is dropped."""

    def __init__(self, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s, self._clock = window_s, clock
        self._seen: dict[str, tuple[float, int]] = {}  # by name: the window's end, and its count
        self._lock = threading.Lock()  # pages are rendered in threads

    def __len__(self) -> int:
        return len(self._seen)

    def take(self, limits: Sequence[Limit]) -> float:
        """Count an attempt and return 0, or return the seconds until the next one may be tried."""
        with self._lock:
            now = self._clock()
            found = [self._current(limit, now) for limit in limits]
            waits = [
                ends - now for limit, (ends, count) in zip(limits, found, strict=True) if count >= limit.most
            ]
            if waits:
                return max(waits)
            for limit, (ends, count) in zip(limits, found, strict=True):
                self._make_room(limit.name, now)
                self._seen[limit.name] = (ends, count + 1)
            return 0.0

    def give_back(self, limits: Sequence[Limit]) -> None:
        """Give one attempt back: it was no failure, or it was not made."""
        with self._lock:
            now = self._clock()
            for limit in limits:
                ends, count = self._current(limit, now)
                if count:
                    self._seen[limit.name] = (ends, count - 1)

    def _current(self, limit: Limit, now: float) -> tuple[float, int]:
        ends, count = self._seen.get(limit.name, (0.0, 0))
        return (ends, count) if ends > now else (now + (limit.window_s or self._window_s), 0)

    def _make_room(self, name: str, now: float) -> None:
        if name in self._seen or len(self._seen) < CAPACITY:
            return
        live = {each: seen for each, seen in self._seen.items() if seen[0] > now and seen[1]}
        if len(live) >= CAPACITY // 2:
            ranked = sorted(live, key=lambda each: live[each][1], reverse=True)
            live = {each: live[each] for each in ranked[: CAPACITY // 2]}
        self._seen = live


class SharedCounters:
    """In Redis: one round trip per step. Raises what the client raises. `client` returns the connection."""

    def __init__(self, window_s: float, client: Callable[[], Any]) -> None:
        self._window_s, self._client = window_s, client

    def take(self, limits: Sequence[Limit]) -> float:
        """Like LocalCounters.take."""
        rules = ((math.ceil((limit.window_s or self._window_s) * 1000), limit.most) for limit in limits)
        return float(self._run(TAKE, limits, *(number for rule in rules for number in rule))) / 1000

    def give_back(self, limits: Sequence[Limit]) -> None:
        """Like LocalCounters.give_back."""
        self._run(GIVE_BACK, limits)

    def _run(self, script: str, limits: Sequence[Limit], *arguments: int) -> Any:
        names = [PREFIX + limit.name for limit in limits]
        return self._client().eval(script, len(names), *names, *arguments) or 0
