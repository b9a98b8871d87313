"""Mirrors answered calls to deployments on trial. No caller waits for a mirror, and no caller's budget pays for it.

Its calls are in the ledger as those of the tenant `operator`, endpoint `shadow:...` (docs/decisions/0007). Bounded:
what does not fit into the queue is not mirrored.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

import msgspec

from catalog.snapshot import Deployment, Model
from gateway.http.request_id import mint
from gateway.observability.metrics import Metrics
from gateway.parsing.parsed_request import ParsedRequest
from metering.inflight import InFlightCalls
from metering.journal.journal import MeteringUnavailable
from metering.journal.records import Close, Open
from metering.meter import CallOutcome, Meter, MeteringServices
from providers.call import Call
from providers.dialects.choice import Dialects, client_api_of
from providers.errors.exceptions import UpstreamFailed
from providers.outgoing import Outgoing, ResponseKind
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Plan
from providers.transport.client import Transport
from providers.upstream import open_call
from tenants.caller import Caller

logger = logging.getLogger(__name__)

AT_ONCE = 4
WAITING = 64
MAX_BODY = 256 * 1024  # so that the queue is 16 MiB at most
OPERATOR = Caller(key_id=0, key_prefix="shadow", key_name="shadow", tenant_id=0, tenant="operator")


class ShadowCall(msgspec.Struct, frozen=True, kw_only=True):
    """An answered call that is sent again."""

    request_id: str  # of the call that was answered
    endpoint: str
    raw: bytes
    parsed: ParsedRequest
    input_tokens: int
    deployment: Deployment


class ShadowTraffic:
    """The queue and its workers. Has its own health and its own list of running calls: a trial affects no caller."""

    def __init__(
        self,
        transport: Transport,
        metering: MeteringServices,
        metrics: Metrics,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._transport, self._metrics, self._draw = transport, metrics, draw
        self._metering = MeteringServices(
            metering.journal, metering.admission, InFlightCalls(), self._observe
        )
        self._health = DeploymentHealth()
        self._queue: asyncio.Queue[ShadowCall] = asyncio.Queue(WAITING)

    def mirror(
        self,
        request_id: str,
        endpoint: str,
        model: Model,
        parsed: ParsedRequest,
        raw: bytes,
        input_tokens: int,
    ) -> None:
        """Queue an answered call for each randomly chosen shadow of its alias. Never waits."""
        for deployment in model.shadows:
            if self._draw() * 100 >= deployment.shadow_percent:
                continue
            if len(raw) > MAX_BODY:
                self._drop("body_too_large")
                continue
            try:
                self._queue.put_nowait(
                    ShadowCall(
                        request_id=request_id,
                        endpoint=endpoint,
                        raw=raw,
                        parsed=parsed,
                        input_tokens=input_tokens,
                        deployment=deployment,
                    )
                )
            except asyncio.QueueFull:
                self._drop("queue_full")

    async def run(self) -> None:
        """Work until cancelled; calls that run then are recorded as they are."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(self._run_worker())

    async def _run_worker(self) -> None:
        while True:
            copy = await self._queue.get()
            try:
                await self._send(copy)
            except Exception:  # a defect in one mirror must not end the others
                logger.exception("shadow_traffic.failed", extra={"request_id": copy.request_id})

    def _observe(self, opened: Open, closed: Close, _: object) -> None:
        self._metrics.observe_shadow(opened, closed.status, closed.cost_nanousd)

    def _drop(self, reason: str) -> None:
        self._metrics.shadow_dropped.add((reason,))

    async def _send(self, copy: ShadowCall) -> None:
        meter = Meter(self._metering, _open_record(copy), copy.raw)
        try:
            meter.open(OPERATOR)
        except MeteringUnavailable:
            await meter.void()
            self._drop("metering_unavailable")
            return
        call: Call | None = None
        try:
            call = await self._open(copy, meter)
            await _read(call)
        except UpstreamFailed as failure:
            if call is None and not failure.reached:
                await meter.void()
                self._metrics.observe_shadow(meter.record, "unreached")
            else:
                await meter.close(_outcome(copy, call, "incomplete" if call else "error", failure.code))
        except asyncio.CancelledError:
            await meter.close(_outcome(copy, call, "cancelled", "server_shutdown"))
            raise
        except Exception:  # a defect of ours: the opened call is still closed, then _work logs the error
            await meter.close(_outcome(copy, call, "incomplete" if call else "error", "internal_error"))
            raise
        else:
            await meter.close(_outcome(copy, call, "ok", ""))
        finally:
            if call is not None:
                await call.aclose()

    async def _open(self, copy: ShadowCall, meter: Meter) -> Call:
        shape = copy.parsed.shape
        outgoing = Outgoing(
            request_id=meter.record.id,
            raw=copy.raw,
            answer=ResponseKind.of(streams=shape.stream),
            has_cap=shape.output_cap is not None,
            asks_usage=shape.stream and not shape.include_usage,
        )
        plan = Plan(targets=[copy.deployment.target])
        dialects = Dialects(shape, client_api=client_api_of(shape.path))
        return await open_call(self._transport, dialects, outgoing, plan, meter.attempts, self._health)


async def _read(call: Call) -> None:
    stream = call.stream
    if stream is None:
        return
    async for _ in call.rest():
        pass
    if not stream.done or stream.failure is not None:
        raise UpstreamFailed("the mirrored stream is not complete")


def _outcome(copy: ShadowCall, call: Call | None, status: str, code: str) -> CallOutcome:
    deployment = copy.deployment
    stream = call.stream if call is not None else None
    answered = call.answered if call is not None else None
    usage = stream.usage if stream is not None else answered.usage if answered is not None else None
    produced = stream.produced() if stream is not None else answered.produced if answered is not None else ""
    return CallOutcome(
        status=status,
        http_status=200 if call is not None else 502,
        error_code=code,
        target=deployment.target,
        sheet=deployment.sheet,
        usage=usage,
        produced="" if usage is not None and usage.total_tokens else produced,
        produced_events=stream.produced_events if stream is not None else 0,
        produced_tokens=stream.produced_tokens if stream is not None else 0,
        is_billed=status != "error",
    )


def _open_record(copy: ShadowCall) -> Open:
    target = copy.deployment.target
    return Open(
        id=mint(),
        started_at=time.time(),
        tenant_id=OPERATOR.tenant_id,
        tenant=OPERATOR.tenant,
        key_id=OPERATOR.key_id,
        key_prefix=OPERATOR.key_prefix,
        endpoint=f"shadow:{copy.endpoint}",
        model=target.alias,
        provider=target.provider,
        deployment=target.name,
        upstream_model=target.upstream_model,
        stream=copy.parsed.shape.stream,
        input_tokens=copy.input_tokens,
        sheet=copy.deployment.sheet,
        client_request_id=copy.request_id,
    )
