"""Sends a call's several requests to one target (providers/dialects/several.py). They are one attempt.

At most AT_ONCE are in flight. After a failure none is begun, but those in flight are awaited: what they used is known
then, and is recorded with the failure. What cannot be known stays unsettled, as for every attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from providers.call import Call
from providers.dialects.several import Part, SeveralRequests
from providers.errors.exceptions import DeadlineExceeded, UpstreamBroken, UpstreamFailed
from providers.exchange import MAX_ANSWER, QUICK_BYTES, failure_for, request_with
from providers.resilience.plan import Deadline, timeouts_within
from providers.sending.signed_exchange import send_signed
from providers.usage import Usage

if TYPE_CHECKING:
    from providers.outgoing import Outgoing
    from providers.target import Target
    from providers.transport.client import Transport, UpstreamRequest

AT_ONCE: Final = 8


class Requests:
    """All requests of an attempt, to ask whether a provider may have received any of them."""

    __slots__ = ("_requests",)

    def __init__(self, requests: Sequence[UpstreamRequest]) -> None:
        self._requests = requests

    def __iter__(self) -> Iterator[UpstreamRequest]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def was_sent(self) -> bool:
        return any(request.was_sent for request in self._requests)


def requests_for(dialect: SeveralRequests, outgoing: Outgoing, target: Target) -> Requests:
    """Raises Unsupported."""
    bodies = dialect.bodies(outgoing.raw, target)
    return Requests([request_with(body, dialect, outgoing, target) for body in bodies])


class SeveralSender:
    """One attempt."""

    __slots__ = (
        "_calls",
        "_deadline",
        "_dialect",
        "_failures",
        "_left",
        "_outgoing",
        "_parts",
        "_received",
        "_requests",
        "_target",
        "_transport",
    )

    def __init__(
        self,
        transport: Transport,
        dialect: SeveralRequests,
        outgoing: Outgoing,
        target: Target,
        requests: Requests,
        deadline: Deadline | None,
    ) -> None:
        self._transport, self._dialect, self._outgoing = transport, dialect, outgoing
        self._target, self._requests, self._deadline = target, requests, deadline
        self._left = iter(enumerate(requests))
        self._parts: list[Part | None] = [None] * len(requests)
        self._failures: list[UpstreamFailed] = []
        self._calls: list[Call] = []
        self._received = 0

    async def send(self) -> Call:
        """Return the call with its response. Raises UpstreamFailed, with the usage of what did not fail."""
        if len(self._requests) == 1:
            await self._send_next()
        else:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(AT_ONCE, len(self._requests))):
                    group.create_task(self._send_next())
        if self._failures:
            raise self._failure()
        call = self._calls[0]
        call.answered = self._dialect.joined([part for part in self._parts if part is not None])
        body = call.answered.body
        if len(body) <= QUICK_BYTES:
            call.unrecorded = body
        else:
            self._outgoing.on_response(self._target, body)
        return call

    async def _send_next(self) -> None:
        """Send one request after the other until none is left, or one has failed."""
        for at, request in self._left:
            if self._failures:
                return
            try:
                self._parts[at] = await self._exchange(at, request)
            except UpstreamFailed as failure:
                self._failures.append(failure)

    async def _exchange(self, at: int, request: UpstreamRequest) -> Part:
        deadline, now = self._deadline, time.perf_counter()
        if deadline is not None and now >= deadline.at:
            raise DeadlineExceeded(deadline.seconds, reached=False)
        timeouts = timeouts_within(self._target.timeouts, deadline, now, streams=False)
        response = await send_signed(self._transport, request, self._target, timeouts)
        call, raw = Call(self._target, response, []), b""
        self._calls.append(call)
        try:
            raw = await response.read(MAX_ANSWER)
            self._received += len(raw)
            if self._received > MAX_ANSWER:
                raise UpstreamBroken(f"answers larger than {MAX_ANSWER} bytes together")
            return self._dialect.part(at, raw, response.headers)
        except BaseException as error:  # on any error the connection is not left half read
            await response.aclose()
            failure = failure_for(error, call, raw)
            if failure is error:
                raise
            raise failure from error

    def _failure(self) -> UpstreamFailed:
        """Return the first failure, as that of all requests: with their usage, which is unknown if one of them is."""
        first, used = self._failures[0], [part.usage for part in self._parts if part is not None]
        is_unknown = None in used or any(
            each.reached and each.status is None and each.usage is None for each in self._failures
        )
        known = [usage for usage in (*used, *(each.usage for each in self._failures)) if usage is not None]
        first.reached = bool(used) or any(each.reached for each in self._failures)
        if not known and not is_unknown:
            return first
        total = summed(known)
        if is_unknown:
            first.status, first.usage, first.partial_usage = None, None, total
        else:
            first.usage = total
        return first


def summed(usages: Sequence[Usage]) -> Usage:
    """Return the input and output of several requests together."""
    return Usage(
        input_tokens=sum(usage.total_input_tokens for usage in usages),
        output_tokens=sum(usage.total_output_tokens for usage in usages),
        estimated=any(usage.estimated for usage in usages),
    )
