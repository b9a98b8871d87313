"""What one call owns, from its first byte to its last: acquired here, and released in one place, `release`.

It needs no HTTP request: a batch or a websocket makes one of its own and runs its call (gateway/inference/pipeline.py).
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from budgets.admission.interface import AdmissionUnavailable, LimitStatus
from budgets.rules import rules_for
from gateway import runtime
from gateway.http.client_api import OPENAI, ClientApi, Framing
from gateway.http.exceptions import ShuttingDown
from gateway.http.headers import head
from gateway.http.request_id import mint
from gateway.http.response import Headers
from gateway.http.sse_writer import SSEWriter
from gateway.overload.exceptions import Overloaded
from gateway.values.fallback_log import FALLBACKS
from gateway.values.stop_reason import StopReason
from tenants.caller import Caller

if TYPE_CHECKING:
    from budgets.admission.hold_causes import Cause
    from gateway.config.sections.process import Streams
    from gateway.http.client_connection import ClientConnection
    from gateway.http.request import V1Request
    from gateway.idempotency.store import IdempotencyClaim
    from gateway.overload.body_memory import BodyMemoryLease
    from gateway.overload.load_shedder import ConcurrencySlot
    from gateway.runtime import Runtime
    from metering.meter import Meter
    from providers.conversation.request import Conversation


class CallOptions(msgspec.Struct, frozen=True):
    """What a client asks for beside the body, as it wrote it; "" where it asked for nothing."""

    idempotency_key: str = ""
    route_hint: str = ""
    timeout_ms: str = ""
    trace_parent: str = ""
    client_request_id: str = ""
    client_headers: dict[str, str] = {}  # of CLIENT_HEADERS, by name

    @classmethod
    def of(cls, request: V1Request) -> CallOptions:
        """Return the options in the headers of a request; most have none."""
        if OPTION_HEADERS.isdisjoint(request.raw_headers):
            return NO_OPTIONS
        return cls(
            request.header(b"idempotency-key"),
            request.header(b"x-gateway-route"),
            request.header(b"x-request-timeout-ms"),
            request.trace_parent,
            request.header(b"x-client-request-id")[:128],
            {name.decode(): value for name in CLIENT_HEADERS if (value := request.header(name))},
        )


# A client's own that an upstream API may need (providers/conversation/apis.py, SentOptions).
CLIENT_HEADERS: Final = (b"anthropic-beta", b"anthropic-version")
OPTION_HEADERS: Final = frozenset(
    {
        *CLIENT_HEADERS,
        b"idempotency-key",
        b"x-gateway-route",
        b"x-request-timeout-ms",
        b"traceparent",
        b"x-client-request-id",
    }
)
NO_OPTIONS: Final = CallOptions()


class RefusalDetails(msgspec.Struct, frozen=True):
    """What the logs say of a refusal and its client is not told.

    `caller`: of a known key that is no longer valid; `prefix`: of any other key, as far as it may be logged.
    `enlarged_by`: what raised the cost of a call that a budget refused. `passed_over`: deployments that routing skipped
    (catalog.routing.route.Skipped).
    """

    caller: Caller | None = None
    prefix: str = ""
    enlarged_by: tuple[Cause, ...] = ()
    passed_over: tuple[Any, ...] = ()


class Unfinished(Protocol):
    """A part of a call that must end even if a defect of the gateway skips it."""

    def abandon(self) -> Coroutine[Any, Any, object] | None:
        """Return the work that ends it; None if it has ended or is about to."""
        ...


NO_DETAILS: Final = RefusalDetails()


class CallContext:
    """One call. `limit_status` and `headers` go into the head of its response, `log_facts` into its log line.

    `caller` is set once its key was accepted. `claim`: of its Idempotency-Key, until `take_claim`. `unfinished`: the
    response that was made and not sent yet.
    """

    __slots__ = (
        "_body_lease",
        "_slot",
        "body",
        "caller",
        "claim",
        "client_api",
        "connection",
        "conversation",
        "conversation_head",
        "headers",
        "id",
        "limit_status",
        "log_facts",
        "meter",
        "options",
        "received_at",
        "refusal",
        "unfinished",
        "writer",
    )

    caller: Caller

    def __init__(
        self,
        connection: ClientConnection | None = None,
        *,
        caller: Caller | None = None,
        options: CallOptions = NO_OPTIONS,
        body: bytes = b"",
        client_api: ClientApi = OPENAI,
    ) -> None:
        self.id = mint()
        self.received_at = time.perf_counter()
        self.connection, self.options, self.body = connection, options, body
        if caller is not None:
            self.caller = caller
        self.client_api = client_api
        self.limit_status: LimitStatus | None = None
        self.headers: Headers = []
        self.log_facts: dict[str, Any] = {}
        self.refusal = NO_DETAILS
        self.conversation: Conversation | None = None  # where a deployment needs it translated
        self.conversation_head: Conversation | None = None  # of a large body, in its place
        self.meter: Meter | None = None  # once the call is granted
        self.writer: SSEWriter | None = None  # of a stream, from before its upstream is called
        self.claim: IdempotencyClaim | None = None
        self.unfinished: Unfinished | None = None
        self._slot: ConcurrencySlot | None = None
        self._body_lease: BodyMemoryLease | None = None

    @property
    def caller_if_known(self) -> Caller | None:
        """The caller; None before a key was accepted."""
        return getattr(self, "caller", None)

    @property
    def is_stream(self) -> bool:
        """Whether a stream was begun, also one that no provider answered."""
        return self.writer is not None

    @property
    def is_client_disconnected(self) -> bool:
        return self.connection is not None and self.connection.is_disconnected

    def accept(self, caller: Caller) -> None:
        """Set the caller: its key may be used."""
        self.caller = caller
        if self.connection is not None:
            self.connection.keep_open()

    def acquire_slot(self, live: Runtime) -> None:
        """Take one of the calls that this process serves at a time. Raises ShuttingDown, Overloaded."""
        caller = self.caller
        if live.is_draining:
            raise ShuttingDown
        try:
            self._slot = live.load_shedder.acquire_slot(caller.tenant_id, is_batch=caller.is_batch)
        except Overloaded as refusal:
            live.metrics.shed.add((refusal.reason,))
            raise

    def body_lease(self, live: Runtime) -> BodyMemoryLease:
        """Return this call's part of the memory for bodies."""
        if self._body_lease is None:
            self._body_lease = live.body_memory.lease(self.caller.tenant_id)
        return self._body_lease

    def open_stream(self, streams: Streams, framing: Framing) -> SSEWriter:
        """Start the writer of a stream: its heartbeats, and the cut-off of a client that does not read."""
        connection = self.connection
        assert connection is not None  # noqa: S101 - only a connected client can ask for a stream
        self.writer = SSEWriter(
            connection.send,
            partial(self.head, 200, framing.headers),
            connection.abort,
            ping=framing.ping,
            heartbeat_s=streams.heartbeat,
            stall_s=streams.client_stall,
        )
        return self.writer

    def head(self, status: int, pairs: Headers) -> dict[str, Any]:
        """Return the start message of the response: its own headers, and those that every response has."""
        own = [*pairs, (b"x-request-id", self.id.encode()), *self.headers]
        if self.client_api.id_header:
            own.append((self.client_api.id_header, self.id.encode()))
        return head(status, own, self.limit_status)

    async def read_limit_status(self) -> LimitStatus | None:
        """Return the caller's limit status, for responses that are not calls; None if it is unavailable now."""
        live = runtime.current()
        try:
            return await live.admission.status(rules_for(live.rulebook, self.caller))
        except AdmissionUnavailable as away:
            FALLBACKS.note("standing_headers", away)
            return None

    def take_claim(self) -> IdempotencyClaim | None:
        """Return the claim to the code that ends it with the call; `release` no longer does."""
        claim, self.claim = self.claim, None
        return claim

    async def release_claim(self, live: Runtime) -> None:
        """End the claim of a call that was not made: a retry may run."""
        claim = self.take_claim()
        if claim is not None:
            await live.in_flight.run_to_completion(live.idempotency.release(claim))

    def stop_reason(self) -> StopReason:
        """Return why the task was cancelled: the gateway stopped the call, or its client disconnected or stalled."""
        running = self.meter.call if self.meter is not None else None
        if running is not None and running.stop_reason is not None:
            return running.stop_reason
        is_stalled = self.writer is not None and self.writer.is_stalled
        return StopReason.CLIENT_STALLED if is_stalled else StopReason.CLIENT_DISCONNECTED

    def release(self) -> None:
        """Release everything, after the response was sent or could not be. Does not wait."""
        if self.unfinished is not None:
            abandoning, self.unfinished = self.unfinished.abandon(), None
            if abandoning is not None:
                runtime.current().in_flight.run_in_background(abandoning)
        if self.claim is not None:
            runtime.current().in_flight.run_in_background(self.release_claim(runtime.current()))
        if self.writer is not None:
            self.writer.stop()
            self.writer = None
        if self.connection is not None:
            self.connection.release()
        if self._slot is not None:
            self._slot.release()
        if self._body_lease is not None:
            self._body_lease.release()
