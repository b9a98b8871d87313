"""An upstream call with a response, until the response is read and its connection released."""

from __future__ import annotations

from collections.abc import AsyncIterator

from providers.dialects.base import Answered, MalformedStream, Stream, has_said_all
from providers.dialects.offload import Aside
from providers.errors.exceptions import (
    UpstreamFailed,
    UpstreamTimeout,
)
from providers.errors.out_of_memory import NoRoom
from providers.exchange import (
    broken_by,
    late_usage,
    looked_into,
    unfinished,
)
from providers.resilience.attempt import DeploymentAttempt
from providers.resilience.attempt_log import Attempt, Notes
from providers.resilience.attempt_planner import in_time
from providers.resilience.plan import Deadline
from providers.target import Target
from providers.transport.client import UpstreamResponse


class Call:
    """An upstream call with a response. For a stream `first` is ready for the client and `blocks` is the rest."""

    __slots__ = (
        "answered",
        "aside",
        "attempts",
        "blocks",
        "deadline",
        "first",
        "notes",
        "response",
        "set_by_gateway",
        "stream",
        "target",
        "turn",
        "unnoted",
    )

    def __init__(self, target: Target, response: UpstreamResponse, attempts: list[Attempt]) -> None:
        self.target, self.response, self.attempts = target, response, attempts
        self.answered: Answered | None = None
        self.stream: Stream | None = None
        self.blocks: AsyncIterator[bytes] | None = None
        self.aside: Aside | None = None
        self.first = self.unnoted = b""  # `unnoted`: a small response not yet passed to `heard`
        self.turn: DeploymentAttempt | None = None
        self.deadline: Deadline | None = None
        self.notes: Notes | None = None
        self.set_by_gateway = ""  # of the body: values that the client did not state

    async def rest(self) -> AsyncIterator[bytes]:
        """Yield the client's bytes of the rest of the stream. Raises UpstreamFailed; bytes sent before stay valid."""
        stream, blocks = self.stream, self.blocks
        assert stream is not None  # noqa: S101 - only streams have a rest
        assert blocks is not None  # noqa: S101
        try:
            if not _is_over(stream):  # else the first block was the whole stream
                async for block in blocks:
                    out = stream.feed(block)
                    if stream.large is not None:
                        out += await looked_into(self)
                    if out:
                        yield out
                    if _is_over(stream):
                        break
                else:
                    stream.end()
            if stream.done and not (stream.usage is not None and has_said_all(stream)):
                await late_usage(stream, blocks)
        except MalformedStream as error:
            raise self._broke(broken_by(error)) from error
        except UpstreamFailed as failure:
            raise self._broke(failure) from failure
        if not stream.is_full and (fault := unfinished(stream)) is not None:
            self._broke(fault)

    async def aclose(self) -> None:
        """Close the upstream's connection; it may be kept if the stream is complete."""
        if self.turn is not None:
            self.turn.finish()
        if self.stream is not None and self.stream.done:
            self.response.abandon()
        await self.response.aclose()

    def _broke(self, failure: UpstreamFailed) -> UpstreamFailed:
        """Count a stream that broke after its first content; a stream that is only too long is no fault."""
        if isinstance(failure, UpstreamTimeout) and failure.phase == "total":
            return in_time(failure, self.deadline)
        failure.came_from(self.target)
        if self.turn is not None and not isinstance(failure, NoRoom):
            self.turn.record_failure(failure)
        if self.notes is not None:
            self.notes.broke(self.target, failure)
        return failure


def _is_over(stream: Stream) -> bool:
    return stream.done or stream.failure is not None
