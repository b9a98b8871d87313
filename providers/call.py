"""An upstream call with a response, until the response is read and its connection released."""

from __future__ import annotations

from collections.abc import AsyncIterator

from providers.dialects.base import Answered, Stream, has_complete_usage
from providers.dialects.offload import Offload
from providers.errors.exceptions import (
    UpstreamFailed,
    UpstreamTimeout,
)
from providers.errors.out_of_memory import OutOfMemory
from providers.exchange import (
    failure_for_malformed,
    failure_if_incomplete,
    read_large_events,
    wait_for_late_usage,
)
from providers.framing.malformed import MalformedStream
from providers.resilience.attempt import DeploymentAttempt
from providers.resilience.attempt_log import Attempt, AttemptRecorder
from providers.resilience.attempt_planner import or_deadline
from providers.resilience.plan import Deadline
from providers.target import Target
from providers.transport.client import UpstreamResponse


class Call:
    """An upstream call with a response. For a stream `first` is ready for the client and `blocks` is the rest."""

    __slots__ = (
        "answered",
        "attempt",
        "attempts",
        "blocks",
        "deadline",
        "first",
        "offload",
        "recorder",
        "response",
        "set_by_gateway",
        "stream",
        "target",
        "unrecorded",
    )

    def __init__(self, target: Target, response: UpstreamResponse, attempts: list[Attempt]) -> None:
        self.target, self.response, self.attempts = target, response, attempts
        self.answered: Answered | None = None
        self.stream: Stream | None = None
        self.blocks: AsyncIterator[bytes] | None = None
        self.offload: Offload | None = None
        self.first = self.unrecorded = b""  # `unrecorded`: a small response not yet passed to `on_response`
        self.attempt: DeploymentAttempt | None = None
        self.deadline: Deadline | None = None
        self.recorder: AttemptRecorder | None = None
        self.set_by_gateway = ""  # of the body: values that the client did not state

    async def rest(self) -> AsyncIterator[bytes]:
        """Yield the client's bytes of the rest of the stream. Raises UpstreamFailed; bytes sent before stay valid."""
        stream, blocks = self.stream, self.blocks
        assert stream is not None  # noqa: S101 - only streams have a rest
        assert blocks is not None  # noqa: S101
        try:
            if not _has_ended(stream):  # else the first block was the whole stream
                async for block in blocks:
                    if out := await self._fed(stream, block):
                        yield out
                    if _has_ended(stream):
                        break
                else:
                    if out := stream.end():  # of an event that no blank line ended
                        yield out
            if stream.done and not (stream.usage is not None and has_complete_usage(stream)):
                await wait_for_late_usage(stream, blocks)
        except MalformedStream as error:
            raise self._record_break(failure_for_malformed(error)) from error
        except UpstreamFailed as failure:
            raise self._record_break(failure) from failure
        if not stream.is_full and (fault := failure_if_incomplete(stream)) is not None:
            self._record_break(fault)

    async def _fed(self, stream: Stream, block: bytes) -> bytes:
        """Return the client's bytes for a block. Raises MalformedStream."""
        out = stream.feed(block)
        return out if stream.large is None else out + await read_large_events(self)

    async def aclose(self) -> None:
        """Close the upstream's connection; it may be kept if the stream is complete."""
        if self.attempt is not None:
            self.attempt.finish()
        if self.stream is not None and self.stream.done:
            self.response.abandon()
        await self.response.aclose()

    def _record_break(self, failure: UpstreamFailed) -> UpstreamFailed:
        """Count a stream that broke after its first content; a stream that is only too long is no fault."""
        if isinstance(failure, UpstreamTimeout) and failure.phase == "total":
            return or_deadline(failure, self.deadline)
        failure.set_target(self.target)
        if self.attempt is not None and not isinstance(failure, OutOfMemory):
            self.attempt.record_failure(failure)
        if self.recorder is not None:
            self.recorder.record_break(self.target, failure)
        return failure


def _has_ended(stream: Stream) -> bool:
    return stream.done or stream.failure is not None
