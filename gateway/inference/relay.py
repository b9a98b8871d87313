"""Relays a streamed response and always cleans up: bytes pass as they arrive, the call is recorded durably, and only
then the last event is sent. All of it runs in the request's own task, so there is one place where it can end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from catalog.pricing.prices import PriceSheet
from catalog.routing.resolve import Route
from gateway import runtime
from gateway.http.client_api import Framing
from gateway.http.exceptions import stop_error
from gateway.http.response import Response
from gateway.http.sse_writer import SSEWriter
from gateway.idempotency.store import MAX_BODY
from gateway.inference.call_context import CallContext
from gateway.inference.complete import response_headers
from gateway.inference.endpoint import Endpoint
from gateway.inference.outcomes import CLIENT_GONE, deployment_of
from gateway.values.stop_reason import BY_CLIENT
from metering.journal.pending_close import CloseNotPersisted
from metering.meter import CallOutcome, Meter
from metering.read_on import ReadOn
from providers.call import Call
from providers.dialects.base import has_complete_usage, least_tokens
from providers.errors.exceptions import UpstreamFailed
from providers.errors.tracebacks import drop_frames
from providers.resilience.plan import CallProgress

logger = logging.getLogger(__name__)

OCTETS = "application/octet-stream"  # of a provider that names no type (RFC 9110, 8.3)
SLACK_TOKENS = 16  # a few tokens of whitespace may be longer than any others
DONE_LATER = (
    "metering_unavailable"  # its end was not recorded: another worker does it (errors.CloseNotPersisted)
)


def stream_response(  # noqa: PLR0913 - what a stream is made of
    context: CallContext,
    endpoint: Endpoint,
    route: Route,
    meter: Meter,
    call: Call,
    progress: CallProgress,
    read_on: ReadOn,
) -> Response:
    """Return the response whose relay sends the stream; `context` ends the relay if it is never run."""
    overhead_ms, framing = meter.overhead_ms(), endpoint.framing()
    content_type = framing.content_type or call.response.headers.get("content-type", OCTETS)
    relay = StreamRelay(
        context,
        call,
        meter,
        framing,
        progress,
        content_type=content_type,
        sheet=deployment_of(route, call.target.id).sheet,
        overhead_ms=overhead_ms,
    )
    context.unfinished, read_on.is_worth = relay, relay.awaits_usage
    own = framing.headers or [(b"content-type", content_type.encode("latin-1", "replace"))]
    return Response(200, b"", [*own, *response_headers(context, route, call, meter, overhead_ms)], relay)


class StreamRelay:
    """Created when the upstream has sent content. `sheet` and `overhead_ms` are of the deployment that answers."""

    def __init__(  # noqa: PLR0913 - what a stream is made of
        self,
        context: CallContext,
        call: Call,
        meter: Meter,
        framing: Framing,
        progress: CallProgress,
        *,
        content_type: str,
        sheet: PriceSheet,
        overhead_ms: float,
    ) -> None:
        self._content_type = content_type
        self._context, self._call, self._meter, self._framing, self._progress = (
            context,
            call,
            meter,
            framing,
            progress,
        )
        self._sheet, self._overhead_ms = sheet, overhead_ms
        assert context.writer is not None  # noqa: S101 - it was started before the upstream was called
        self._writer: SSEWriter = context.writer
        self._keeps = context.claim is not None and context.claim.keeps_streams
        self._ttft_ms: float | None = None
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._is_whole = False  # every event arrived
        self._is_running = False

    async def run(self, start: dict[str, Any]) -> None:
        """Send the whole stream. Raises CancelledError, once the call is recorded, if the client disconnected."""
        self._is_running = True
        try:
            await self._writer.start(start)
            self._ttft_ms = round((time.perf_counter() - self._meter.received_at) * 1000, 3)
            if self._call.first:
                await self._forward(self._call.first)
            async for out in self._call.rest():
                await self._forward(out)
                if self._is_overgrown() or self._continues_after_disconnect():
                    break
            else:
                self._is_whole = True
        except UpstreamFailed as failure:
            drop_frames(failure)
            if self._progress.client_disconnected:
                await self._cancel()
            else:
                await self._fail(failure.code, failure.client_message)
        except asyncio.CancelledError:
            await self._cancel()
        except Exception:  # a defect of ours
            # 200 was already sent, so the client gets an event, and the row is closed.
            logger.exception("stream.failed", extra={"request_id": self._meter.record.id})
            await self._fail("internal_error", "The gateway failed.")
        else:
            await (self._cancel() if self._progress.client_disconnected else self._complete())

    def abandon(self) -> Coroutine[Any, Any, object] | None:
        """Return what ends a stream that a defect of ours kept from being sent; None if `run` ends it."""
        return None if self._is_running else self._end_unsent()

    async def _end_unsent(self) -> None:
        await self._call.aclose()
        await self._record("incomplete", "internal_error")

    def awaits_usage(self) -> bool:
        """Return whether the response is complete and only its usage is missing."""
        stream = self._call.stream
        if stream is None or not stream.is_finished or stream.done:
            return False
        return stream.usage is None or stream.usage.is_lacking or not has_complete_usage(stream)

    def _continues_after_disconnect(self) -> bool:
        """Return whether a stream that was finished when its client disconnected goes on after all."""
        stream = self._call.stream
        return self._progress.client_disconnected and stream is not None and not stream.is_finished

    async def _forward(self, out: bytes) -> None:
        if self._keeps and self._kept_bytes <= MAX_BODY:
            self._kept.append(out)
            self._kept_bytes += len(out)
        if self._progress.client_disconnected:
            self._writer.stop()
        else:
            await self._writer.send(out)

    def _is_overgrown(self) -> bool:
        """Return whether the stream certainly exceeds its cap."""
        stream, most = self._call.stream, self._meter.limit
        if stream is None or most.output_tokens is None or not most.is_sent:
            return False
        return least_tokens(stream) > most.output_tokens + SLACK_TOKENS

    async def _complete(self) -> None:
        stream = self._call.stream
        assert stream is not None  # noqa: S101 - a relay has one
        await self._call.aclose()
        if self._is_overgrown():
            await self._fail("output_cap_exceeded", "The provider wrote more than it was allowed to.")
        elif stream.failure is not None:
            await self._fail("upstream_error", "The provider reported an error inside the stream.")
        elif not stream.done:
            await self._fail("upstream_error", "The provider's stream ended before it was complete.")
        elif await self._record("ok", "", is_complete=True):
            await self._writer.send(stream.final, more=False)
        else:
            await self._send_error(DONE_LATER, "The call was not recorded.")

    async def _fail(self, code: str, words: str) -> None:
        """After the first content a failure is an event and a close without [DONE], never a silent truncation."""
        await self._call.aclose()
        await self._record("incomplete", code)
        await self._send_error(code, words)

    async def _cancel(self) -> None:
        """The client disconnected, or the gateway stops the call: cancel the upstream, bill what it produced."""
        reason, stream = self._context.stop_reason(), self._call.stream
        await self._call.aclose()
        is_complete = stream is not None and stream.is_finished and stream.failure is None
        await self._record("cancelled", reason.value, is_complete=is_complete)
        if reason in BY_CLIENT:
            raise asyncio.CancelledError
        await self._send_error(reason.value, str(stop_error(reason)))

    async def _send_error(self, code: str, words: str) -> None:
        """Send the last event of a broken stream; in a response without events the connection is cut."""
        stream = self._call.stream
        body = self._context.client_api.error_body(code, words, self._context.id)
        event = (stream.failed(body) if stream is not None else b"") or self._framing.error_event(body)
        if event:
            await self._writer.send(event, more=False)
        else:
            self._writer.cut()

    async def _record(self, status: str, code: str, *, is_complete: bool = False) -> bool:
        """Record the end and settle the claim; return whether the end is durable.

        A stream that is not complete may be called again with its Idempotency-Key. One whose end is not durable is left
        to the worker that adopts the journal.
        """
        try:
            await self._meter.close(self._outcome(status, code))
        except CloseNotPersisted:
            logger.exception("stream.not_recorded", extra={"request_id": self._meter.record.id})
            self._context.take_claim()
            return False
        finally:  # also when the client disconnects now: the call was made and will be billed
            await self._settle_claim(is_complete=is_complete)
        return True

    async def _settle_claim(self, *, is_complete: bool) -> None:
        """Release the claim of a broken stream, so that a retry may run; a finished one is never repeated."""
        claim = self._context.take_claim()
        if claim is None:
            return
        live = runtime.current()
        if not is_complete:
            await live.in_flight.run_to_completion(live.idempotency.release(claim))
            return
        is_kept = claim.keeps_streams and self._is_whole
        stream = self._call.stream
        body = b"".join([*self._kept, stream.final]) if is_kept and stream is not None else None
        await live.in_flight.run_to_completion(
            live.idempotency.complete(claim, 200, self._content_type, body)
        )

    def _outcome(self, status: str, code: str) -> CallOutcome:
        stream = self._call.stream
        assert stream is not None  # noqa: S101 - a relay has one
        usage, is_last_word = stream.usage, has_complete_usage(stream)
        return CallOutcome(
            status=status,
            error_code=code,
            http_status=CLIENT_GONE if code in BY_CLIENT else 200,
            target=self._call.target,
            sheet=self._sheet,
            usage=usage,
            is_final_usage=is_last_word,
            produced="" if is_last_word and usage is not None and not usage.is_lacking else stream.produced(),
            produced_events=stream.produced_events,
            produced_tokens=stream.produced_tokens,
            ttft_ms=self._ttft_ms,
            overhead_ms=self._overhead_ms,
        )
