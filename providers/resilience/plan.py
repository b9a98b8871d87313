"""Where one call may be sent, in order, and how long it may take. Pure values, made by routing, read by upstream.py."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from providers.dialects.base import Stream
from providers.errors.exceptions import UpstreamFailed
from providers.target import Target, Timeouts

MAX_ATTEMPTS = 3  # the first and two more
BACKOFF_S = 0.1
MAX_BACKOFF_S = 2.0


class Deadline(msgspec.Struct, frozen=True):
    """When the whole call must end, by time.perf_counter. `is_clients`: requested by the client, not the server's."""

    at: float
    seconds: float
    is_clients: bool = False


class Sent(Protocol):
    """A request in flight: whether a provider may have received it."""

    @property
    def was_sent(self) -> bool: ...


class CallProgress:
    """The progress of one call. `client_disconnected`: nothing further is begun for it.

    `tenant_id` 0: the operator's own call.
    """

    __slots__ = ("client_disconnected", "latest_request", "stream", "tenant_id")

    def __init__(self, tenant_id: int = 0) -> None:
        self.tenant_id = tenant_id
        self.client_disconnected = False
        self.latest_request: Sent | None = None  # of the running attempt
        self.stream: Stream | None = None  # set before its first content

    @property
    def was_sent(self) -> bool:
        """Whether a provider may be working on it."""
        return self.latest_request is not None and self.latest_request.was_sent


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Targets to try, best first. `fallbacks_by_reason`: targets for a refusal with such a reason.

    `is_panic`: all of them are ejected, so only attempts that the retry budget allows are made.
    """

    targets: Sequence[Target]
    fallbacks_by_reason: Mapping[str, Sequence[Target]] = {}
    is_panic: bool = False
    deadline: Deadline | None = None

    def after(self, failure: UpstreamFailed) -> Sequence[Target]:
        """Return the targets to try after a refusal that another model might not make."""
        return self.fallbacks_by_reason.get(failure.fallback_reason, ()) if failure.fallback_reason else ()


def timeouts_within(timeouts: Timeouts, deadline: Deadline | None, now: float, *, streams: bool) -> Timeouts:
    """Return an attempt's timeouts: the deployment's own, but never more than the call's remaining time."""
    first = timeouts.first_byte if streams else timeouts.answer
    left = timeouts.total if deadline is None else deadline.at - now
    if left >= timeouts.total:
        if first == timeouts.first_byte:
            return timeouts
        left = timeouts.total
    return Timeouts(
        connect=min(timeouts.connect, left),
        first_byte=min(first, left),
        answer=timeouts.answer,
        idle=min(timeouts.idle, left),
        total=left,
    )


def backoff_s(attempts: int) -> float:
    """Return the wait before the same deployment is called again: full jitter, doubled with each attempt."""
    return random.uniform(0.0, min(MAX_BACKOFF_S, BACKOFF_S * 2.0**attempts))  # noqa: S311 - spreads load
