"""Writes the logs of one /v1 call: a line in the access log, and an entry in the request log if the ledger has no row
for it. Costs a few microseconds a call; entries are rare.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gateway import runtime
from gateway.inference.refusal_details import figures_of
from gateway.observability.log_format import cut
from gateway.observability.request_log import Kind
from metering.decision import document
from metering.request_log.entry import LONGEST_PATH, LONGEST_WORDS, Logged

if TYPE_CHECKING:
    from gateway.http.request import V1Request
    from gateway.http.response import Response
    from gateway.inference.call_context import CallContext
    from gateway.runtime import Runtime

_ORIGINAL = b"x-original-request-id"
_OF_A_LINE = (  # the error's figures in the access log; amounts in nano-USD are in the request log
    "scope",
    "rule",
    "schedule",
    "limit",
    "remaining",
    "resets_in_ms",
    "limit_usd",
    "spent_usd",
    "held_usd",
    "unsettled_usd",
    "needed_usd",
    "resets_at",
    "reason",
    "original",
)


def log(
    request: V1Request, context: CallContext, status: int, error_code: str, answer: Response | None = None
) -> None:
    """Write the line, and note the call for the request log unless the ledger has it. Does not wait."""
    if not runtime.is_open():
        return
    live, elapsed = runtime.current(), time.perf_counter() - context.received_at
    live.metrics.duration.observe(elapsed)
    live.access_log.put(_line(request, context, status, error_code, elapsed, answer))
    if context.meter is None or not context.meter.is_recorded:
        kind = _kind(context, status, error_code)
        live.request_log.note(kind, partial(_entry, live, request, context, status, error_code, answer))


def _line(
    request: V1Request,
    context: CallContext,
    status: int,
    error_code: str,
    elapsed: float,
    answer: Response | None,
) -> dict[str, Any]:
    line = {
        "at": time.time(),
        "id": context.id,
        "method": request.scope["method"],
        "path": cut(request.path),
        "status": status,
        "error": error_code,
        "ms": round(elapsed * 1000, 2),
        "client": request.client_ip,
        "client_request_id": request.header(b"x-client-request-id")[:128],
    }
    caller = context.caller_if_known or context.refusal.caller
    if caller is not None:
        line["tenant"], line["key"] = caller.tenant, caller.key_prefix
    elif context.refusal.prefix:
        line["key"] = context.refusal.prefix
    line.update(context.log_facts)
    if answer is not None and answer.figures:
        line.update(_figures_of_line(answer.figures))
    return line


def _figures_of_line(figures: dict[str, Any]) -> dict[str, Any]:
    """Return rule, scope, limit and figures as members of the line."""
    members: dict[str, Any] = {}
    for what, facts in figures.items():
        members["rule"] = what
        members.update({name: facts[name] for name in _OF_A_LINE if name in facts})
    return members


def _kind(context: CallContext, status: int, code: str) -> Kind:
    caller = context.caller_if_known or context.refusal.caller
    name = "" if code else str(context.log_facts.get("endpoint", ""))
    if caller is None:
        return Kind(0, 0, status, code, name)
    return Kind(caller.tenant_id, caller.key_id, status, code, name)


def _entry(
    live: Runtime,
    request: V1Request,
    context: CallContext,
    status: int,
    code: str,
    answer: Response | None,
) -> Logged:
    caller, meter, facts = context.caller_if_known or context.refusal.caller, context.meter, context.log_facts
    elapsed = time.perf_counter() - context.received_at
    model, is_silent = str(facts.get("model", "")), live.config.retention.zero_retention
    return Logged(
        id=context.id,
        at=time.time() - elapsed,
        method=str(request.scope["method"]),
        path=request.path[:LONGEST_PATH],
        endpoint=str(facts.get("endpoint", "")),
        tenant_id=caller.tenant_id if caller is not None else 0,
        tenant=caller.tenant if caller is not None else "",
        key_id=caller.key_id if caller is not None else 0,
        key_prefix=caller.key_prefix if caller is not None else context.refusal.prefix,
        model=model if not is_silent or model in live.snapshot.models else "",
        stream=context.is_stream,
        status=status,
        code=code,
        message=answer.words[: LONGEST_WORDS + 1] if answer is not None and not is_silent else "",
        figures=_figures(context, answer) | figures_of(request, context, code, model, live.snapshot),
        decision=document(meter.trace, meter.attempts, model) if meter is not None else [],
        latency_ms=round(elapsed * 1000, 3),
        client=request.client_ip,
        trace_id=request.trace_parent[3:35],
        client_request_id="" if is_silent else request.header(b"x-client-request-id")[:128],
    )


def _figures(context: CallContext, answer: Response | None) -> dict[str, Any]:
    if answer is None:
        return {}
    original = next((value for name, value in answer.pairs if name == _ORIGINAL), None)
    if original is not None:
        return {"replay": {"original": original.decode()}}
    if "reason" in context.log_facts:
        return {"capacity": {"reason": str(context.log_facts["reason"])}}
    if not context.refusal.enlarged_by:
        return answer.figures
    return {**answer.figures, "enlarged_by": msgspec.to_builtins(context.refusal.enlarged_by)}
