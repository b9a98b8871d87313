"""Relays a streamed response and always cleans up: bytes pass as they arrive, the call is recorded durably, and only
then the last event is sent. All of it runs in the request's own task, so there is one place where it can end.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from catalog.pricing.prices import PriceSheet
from gateway import runtime
from gateway.http.errors import error_event
from gateway.http.exceptions import stop_error
from gateway.http.sse_writer import SSEWriter
from gateway.idempotency.store import MAX_BODY, IdempotencyClaim
from gateway.inference.outcomes import CLIENT_GONE
from gateway.values.stop_reason import CLIENT_LEFT, StopReason
from metering.inflight import InFlightCall
from metering.meter import CallOutcome, Meter
from providers.call import Call
from providers.dialects.base import has_said_all, least_tokens
from providers.dialects.openai.passthrough import DONE
from providers.errors.exceptions import UpstreamFailed
from providers.errors.tracebacks import drop_frames
from providers.resilience.plan import Asker

logger = logging.getLogger(__name__)

SLACK_TOKENS = 16  # a few tokens of whitespace may be longer than any others


class StreamRelay:
    """Created when the upstream has sent content. `sheet` and `overhead_ms` are of the deployment that answers."""

    def __init__(
        self,
        call: Call,
        meter: Meter,
        running: InFlightCall,
        pulse: SSEWriter,
        *,
        sheet: PriceSheet,
        overhead_ms: float,
    ) -> None:
        self._call, self._meter, self._running, self._pulse = call, meter, running, pulse
        self._sheet, self._overhead_ms = sheet, overhead_ms
        self._ttft_ms: float | None = None
        self.claim: IdempotencyClaim | None = None  # of an Idempotency-Key
        self.asker = Asker()
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._is_whole = False  # every event arrived

    async def run(self, start: dict[str, Any]) -> None:
        """Send the whole stream. Returns when the call is recorded; raises CancelledError if the client left."""
        try:
            await self._pulse.start(start)
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
            if self.asker.has_left:
                await self._cancel()
            else:
                await self._fail(failure.code, failure.words)
        except asyncio.CancelledError:
            await self._cancel()
        except Exception:  # a defect of ours
            # 200 was already sent, so the client gets an event, and the row is closed.
            logger.exception("internal error in the stream of %s", self._meter.record.id)
            await self._fail("internal_error", "The gateway failed.")
        else:
            await (self._cancel() if self.asker.has_left else self._complete())

    def awaits_usage(self) -> bool:
        """Return whether the response is complete and only its usage is missing."""
        stream = self._call.stream
        if stream is None or not stream.is_finished or stream.done:
            return False
        return stream.usage is None or stream.usage.is_lacking or not has_said_all(stream)

    def _continues_after_disconnect(self) -> bool:
        """Return whether a stream that was finished when its client left goes on after all."""
        stream = self._call.stream
        return self.asker.has_left and stream is not None and not stream.is_finished

    async def _forward(self, out: bytes) -> None:
        if self.claim is not None and self.claim.keeps_streams and self._kept_bytes <= MAX_BODY:
            self._kept.append(out)
            self._kept_bytes += len(out)
        if self.asker.has_left:
            self._pulse.stop()
        else:
            await self._pulse.send(out)

    def _is_overgrown(self) -> bool:
        """Return whether the stream certainly exceeds its cap."""
        stream, most = self._call.stream, self._meter.most
        if stream is None or most.output_tokens is None or not most.is_sent:
            return False
        return least_tokens(stream) > most.output_tokens + SLACK_TOKENS

    async def _settle_claim(self, *, is_complete: bool) -> None:
        """Release the claim of a broken stream, so that a retry may run; a finished one is never repeated."""
        if self.claim is None:
            return
        live = runtime.current()
        if not is_complete:
            await live.running.run_to_completion(live.replays.release(self.claim))
            return
        is_kept = self.claim.keeps_streams and self._is_whole
        body = b"".join([*self._kept, DONE]) if is_kept else None
        kept = live.replays.complete(self.claim, 200, "text/event-stream; charset=utf-8", body)
        await live.running.run_to_completion(kept)

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
        else:
            try:
                await self._meter.close(self._outcome("ok", ""))
            finally:  # also when the client leaves now: the call was made and will be billed
                await self._settle_claim(is_complete=True)
            await self._pulse.send(DONE, more=False)

    async def _fail(self, code: str, words: str) -> None:
        """After the first content a failure is an event and a close without [DONE], never a silent truncation."""
        await self._call.aclose()
        await self._record("incomplete", code)
        await self._pulse.send(error_event(code, words), more=False)

    async def _cancel(self) -> None:
        """The client left, or the gateway ends the call: cancel the upstream, bill what it reported or produced."""
        stopped = self._running.stop_reason
        left = StopReason.CLIENT_STALLED if self._pulse.is_stalled else StopReason.CLIENT_DISCONNECTED
        stream = self._call.stream
        await self._call.aclose()
        is_complete = stream is not None and stream.is_finished and stream.failure is None
        await self._record("cancelled", (stopped or left).value, is_complete=is_complete)
        if stopped is None:
            raise asyncio.CancelledError
        await self._pulse.send(error_event(stopped.value, str(stop_error(stopped))), more=False)

    async def _record(self, status: str, code: str, *, is_complete: bool = False) -> None:
        """Record a stream that did not reach its client; one that is not complete may be retried."""
        try:
            await self._meter.close(self._outcome(status, code))
        finally:
            await self._settle_claim(is_complete=is_complete)

    def _outcome(self, status: str, code: str) -> CallOutcome:
        stream = self._call.stream
        assert stream is not None  # noqa: S101 - a relay has one
        usage, is_last_word = stream.usage, has_said_all(stream)
        return CallOutcome(
            status=status,
            error_code=code,
            http_status=CLIENT_GONE if code in CLIENT_LEFT else 200,
            target=self._call.target,
            sheet=self._sheet,
            usage=usage,
            is_last_word=is_last_word,
            produced="" if is_last_word and usage is not None and not usage.is_lacking else stream.produced(),
            produced_events=stream.produced_events,
            produced_tokens=stream.produced_tokens,
            ttft_ms=self._ttft_ms,
            overhead_ms=self._overhead_ms,
        )
