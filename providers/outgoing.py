"""What is to be sent to a provider, the same for every target. A pure value."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from providers.dialects.offload import Aside
from providers.resilience.attempt_planner import Again
from providers.resilience.plan import Asker
from providers.target import Target


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent, the same for every target."""

    request_id: str
    path: str
    raw: bytes
    streams: bool
    trace_parent: str = ""
    has_cap: bool = False  # the gateway sends a cap, so a provider that refuses its name is asked once more
    asks_usage: bool = False  # it adds `stream_options`, where the deployment takes them
    asker: Asker = msgspec.field(default_factory=Asker)
    heard: Callable[[Target, bytes], object] = lambda *_: None  # of a whole answer: exchange.read_answer
    aside: Aside | None = None  # reads what takes long
    again: Again | None = None  # holds money for one more try, which may be billed too
