"""Requests and tokens of one scope over the last minute: a ring of one-second buckets with running sums.

A bucket counts until 61 s after its second began, so no 60 s interval ever holds more than the limit; a steady
caller gets 60/61 = 98.3 % of it. `now` is a monotonic clock. O(1) per call, at most 61 buckets.
"""

from __future__ import annotations

import math
from collections import deque

SPAN_S = 61


class Bucket:
    """What was counted within one second. A call keeps a reference, to correct its tokens later."""

    __slots__ = ("is_live", "number", "requests", "tokens")

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_live = True
        self.requests = self.tokens = 0


class SlidingWindow:
    """The live buckets, oldest first. Call advance() before reading the sums."""

    __slots__ = ("_seconds", "requests", "tokens")

    def __init__(self) -> None:
        self.requests = self.tokens = 0
        self._seconds: deque[Bucket] = deque()

    def advance(self, now: float) -> None:
        """Drop the seconds that left the window."""
        seconds = self._seconds
        last_gone = int(now) - SPAN_S
        while seconds and seconds[0].number <= last_gone:
            gone = seconds.popleft()
            gone.is_live = False
            self.requests -= gone.requests
            self.tokens -= gone.tokens

    def add(self, now: float, tokens: int) -> Bucket:
        """Count one request and its tokens; the caller has checked that they fit."""
        number = int(now)
        seconds = self._seconds
        if seconds and seconds[-1].number == number:
            second = seconds[-1]
        else:
            second = Bucket(number)
            seconds.append(second)
        second.requests += 1
        second.tokens += tokens
        self.requests += 1
        self.tokens += tokens
        return second

    def adjust(self, second: Bucket, tokens: int) -> None:
        """Add the difference of used and reserved tokens to their bucket, if it still counts."""
        if second.is_live:
            second.tokens += tokens
            self.tokens += tokens

    def full_reset_ms(self, now: float) -> int:
        """Return the time until the window is empty."""
        return _until(self._seconds[-1], now) if self._seconds else 0

    def wait_for_requests_ms(self, excess: int, now: float) -> int:
        """Return the time until this many requests have left the window."""
        for second in self._seconds:
            excess -= second.requests
            if excess <= 0:
                return _until(second, now)
        return self.full_reset_ms(now)

    def wait_for_tokens_ms(self, excess: int, now: float) -> int:
        """Return the time until this many tokens have left the window."""
        for second in self._seconds:
            excess -= second.tokens
            if excess <= 0:
                return _until(second, now)
        return self.full_reset_ms(now)


def _until(second: Bucket, now: float) -> int:
    return math.ceil((second.number + SPAN_S - now) * 1000)
