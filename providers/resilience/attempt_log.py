"""One attempt at one deployment: its record in the decision trace, its log line, its class in the metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from providers.errors.messages import MOST_REASON as MOST_LOGGED
from providers.errors.messages import printable
from providers.usage import Usage

if TYPE_CHECKING:
    from providers.errors.exceptions import UpstreamFailed
    from providers.target import Target

logger = logging.getLogger(__name__)

MOST_REASON: Final = 300  # characters in the record; the log line has up to MOST_LOGGED
LINES_PER_S: Final = 20.0
MOST_LINES: Final = 200  # at once: an outage must not fill the disk or block the event loop


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One attempt at one deployment, as stored in the decision trace, which leaves out the requested alias.

    `kind` is the class of a failure, such as connect_refused. `reason` is the cause and the provider's message, for the
    operator, without secrets.
    """

    provider: str
    deployment: str
    outcome: str  # ok | an error code
    status: int | None
    ms: float
    alias: str = ""
    reached: bool = True  # the provider may have received it
    usage: Usage | None = None  # reported or estimated; if a call has one attempt, its row has it
    cost_nanousd: int = 0
    kind: str = ""
    reason: str = ""


class LogLimiter:
    """Limits the rate of log lines, and counts the suppressed ones."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._left, self._at = clock, float(MOST_LINES), clock()
        self._suppressed = 0

    def acquire(self) -> int | None:
        """Return how many lines were suppressed before this one; None: this one is suppressed too."""
        now = self._clock()
        self._left = min(float(MOST_LINES), self._left + (now - self._at) * LINES_PER_S)
        self._at = now
        if self._left < 1.0:
            self._suppressed += 1
            return None
        self._left -= 1.0
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed


class AttemptRecorder:
    """Records the attempts of one call. `on_attempt` receives each with its class; `quotes`: include messages."""

    __slots__ = ("_limiter", "_on_attempt", "_quotes", "_request_id", "attempts")

    def __init__(
        self,
        attempts: list[Attempt],
        request_id: str,
        limiter: LogLimiter,
        on_attempt: Callable[[Target, str], None],
        *,
        quotes: bool = True,
    ) -> None:
        self.attempts, self._request_id, self._limiter = attempts, request_id, limiter
        self._on_attempt, self._quotes = on_attempt, quotes

    def record_end(
        self, target: Target, outcome: str, status: int | None, started: float, *, reached: bool = True
    ) -> None:
        """Record an attempt that did not fail."""
        ms = _ms_since(started)
        self.attempts.append(
            Attempt(target.provider, target.name, outcome, status, ms, target.alias, reached)
        )
        self._on_attempt(target, outcome)

    def record_failure(self, target: Target, failure: UpstreamFailed, started: float) -> None:
        """Record a failed attempt, and log it."""
        suppressed = self._limiter.acquire()
        reason = self._reason(failure, MOST_REASON if suppressed is None else MOST_LOGGED)
        self.attempts.append(
            Attempt(
                target.provider,
                target.name,
                failure.code,
                failure.status,
                _ms_since(started),
                target.alias,
                failure.reached,
                failure.usage,
                kind=failure.kind,
                reason=reason[:MOST_REASON],
            )
        )
        self._on_attempt(target, failure.kind)
        self._warn(target, failure, reason, suppressed)

    def record_break(self, target: Target, failure: UpstreamFailed) -> None:
        """Record that the stream of the last attempt broke after its first content."""
        suppressed = self._limiter.acquire()
        reason = self._reason(failure, MOST_REASON if suppressed is None else MOST_LOGGED)
        if self.attempts:
            last = self.attempts[-1]
            self.attempts[-1] = msgspec.structs.replace(last, kind=failure.kind, reason=reason[:MOST_REASON])
        self._on_attempt(target, f"broken_{failure.kind}")
        self._warn(target, failure, reason, suppressed)

    def _reason(self, failure: UpstreamFailed, most: int) -> str:
        message = failure.provider_message(most) if self._quotes else ""
        return printable(f"{failure.reason}: {message}" if message else failure.reason)

    def _warn(self, target: Target, failure: UpstreamFailed, reason: str, suppressed: int | None) -> None:
        if suppressed is None:
            return
        logger.warning(
            "attempt.failed",
            extra={
                "request_id": self._request_id,
                "deployment": target.name,
                "provider": target.provider,
                "alias": target.alias,
                "kind": failure.kind,
                "status": failure.status,
                "reason": reason,
                "left_out": suppressed,
            },
        )


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
