"""The request to a provider, the same for every target. A pure value."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from providers.dialects.offload import Offload
from providers.resilience.attempt_planner import RaiseHold
from providers.resilience.plan import CallProgress
from providers.target import Target


class ResponseKind(Enum):
    """The form of a response. BINARY: bytes that pass in pieces, whatever they are."""

    JSON = "json"
    EVENTS = "events"
    BINARY = "binary"

    @classmethod
    def of(cls, *, streams: bool) -> ResponseKind:
        """Return the form of a chat response: events if a stream was asked for."""
        return cls.EVENTS if streams else cls.JSON


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """The request of one call, the same for every target."""

    request_id: str
    raw: bytes
    answer: ResponseKind = ResponseKind.JSON
    trace_parent: str = ""
    has_cap: bool = False  # the gateway sends a cap, so a provider that refuses its name is called once more
    asks_usage: bool = False  # it adds `stream_options`, if the deployment accepts them
    progress: CallProgress = msgspec.field(default_factory=CallProgress)
    on_response: Callable[[Target, bytes], object] = lambda *_: (
        None
    )  # gets a whole response: exchange.read_answer
    offload: Offload | None = None  # reads large responses
    raise_hold: RaiseHold | None = None  # holds money for one more attempt, which may be billed too

    @property
    def streams(self) -> bool:
        """Whether the response passes in pieces."""
        return self.answer is not ResponseKind.JSON
